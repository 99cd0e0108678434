import type { Fragment, Sql } from "../db/sql.ts";

/** The columns of an entry, of the table or row `l`. */
export function entryColumns(sql: Sql): Fragment {
  return sql`l.id, l.timestamp, l.user_id, l.action, l.resource_type, l.resource_id, l.request_details, l.success,
    l.error_message, l.ip_address, l.user_agent, l.request_id, l.duration_ms, l.credential_id, l.credential, l.method,
    l.code, l.decision, l.phase`;
}
