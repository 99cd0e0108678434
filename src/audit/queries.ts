import { json, type Sql } from "../db/sql.ts";
import type { AuditRow } from "./model.ts";

/** Appends all rows in one statement; those that are there already stay as they are. */
export async function insertAuditRows(sql: Sql, rows: readonly AuditRow[]): Promise<void> {
  await insertAuditTexts(sql, rows.map(json));
}

/** The same for rows that are JSON already. */
export async function insertAuditTexts(sql: Sql, rows: readonly string[]): Promise<void> {
  // jsonb_to_recordset matches its columns by name, in the case that JSON has them.
  await sql`
    insert into audit_logs (id, timestamp, user_id, action, resource_type, resource_id, request_details, success,
      error_message, ip_address, user_agent, request_id, duration_ms, credential_id, credential, method, code,
      decision, phase)
    select id, timestamp, "userId", action, "resourceType", "resourceId", "requestDetails", success,
      "errorMessage", "ipAddress", "userAgent", "requestId", "durationMs", "credentialId", credential, method, code,
      decision, phase
    from jsonb_to_recordset(${`[${rows.join(",")}]`}::text::jsonb) as r(
      id uuid, timestamp timestamptz, "userId" uuid, action text, "resourceType" text, "resourceId" text,
      "requestDetails" jsonb, success boolean, "errorMessage" text, "ipAddress" inet, "userAgent" text,
      "requestId" text, "durationMs" double precision, "credentialId" text, credential text, method text, code text,
      decision text, phase text)
    on conflict (timestamp, id) do nothing`;
}

/** Makes the partition for the month of an instant, in UTC. False if it was there. */
export async function addAuditMonth(sql: Sql, instant: Date): Promise<boolean> {
  const [row] = await sql<[{ added: boolean }]>`select audit_logs_add_month(${instant}) as added`;
  return row.added;
}
