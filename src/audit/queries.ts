import { json, type Sql } from "../db/sql.ts";
import type { AuditRow } from "./model.ts";

/** Appends all rows in one statement. */
export async function insertAuditRows(sql: Sql, rows: readonly AuditRow[]): Promise<void> {
  // jsonb_to_recordset matches its columns by name, in the case that JSON has them.
  await sql`
    insert into audit_logs (id, user_id, action, resource_type, resource_id, request_details, success,
      error_message, ip_address, user_agent, request_id, duration_ms, credential_id)
    select id, "userId", action, "resourceType", "resourceId", "requestDetails", success,
      "errorMessage", "ipAddress", "userAgent", "requestId", "durationMs", "credentialId"
    from jsonb_to_recordset(${json(rows)}::text::jsonb) as r(
      id uuid, "userId" uuid, action text, "resourceType" text, "resourceId" text, "requestDetails" jsonb,
      success boolean, "errorMessage" text, "ipAddress" inet, "userAgent" text, "requestId" text,
      "durationMs" double precision, "credentialId" text)`;
}
