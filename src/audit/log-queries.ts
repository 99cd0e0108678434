import { type Fragment, inScope, type ScopedSql, type Sql } from "../db/sql.ts";
import { storable } from "../lib/storable.ts";
import type { EntryKey, LogFilter, LoggedEntry } from "./entries.ts";
import { entryColumns } from "./entry-columns.ts";

/** A page of entries in the order of their time, from behind `after` on. */
export async function readEntries(
  sql: ScopedSql,
  filter: LogFilter,
  { after, limit, newestFirst }: { after: EntryKey | null; limit: number; newestFirst: boolean },
): Promise<LoggedEntry[]> {
  const order = newestFirst ? sql`timestamp desc, id desc` : sql`timestamp, id`;
  return await sql<LoggedEntry[]>`
    select ${entryColumns(sql)}, s.sequence::float8, s.hash
    from (
      select * from audit_logs where ${conditions(sql, filter)} ${after ? sql`and ${behind(sql, after, newestFirst)}` : sql``}
      order by ${order} limit ${limit}
    ) as l
    left join lateral (select sequence, hash from audit_seals s where s.id = l.id and s.timestamp = l.timestamp limit 1) as s on true
    order by ${newestFirst ? sql`l.timestamp desc, l.id desc` : sql`l.timestamp, l.id`}`;
}

/** The comparison of the time alone lets Postgres leave out whole months; that of the pair does not. */
function behind(sql: Sql, { timestamp, id }: EntryKey, newestFirst: boolean): Fragment {
  return newestFirst
    ? sql`timestamp <= ${timestamp} and (timestamp, id) < (${timestamp}, ${id}::uuid)`
    : sql`timestamp >= ${timestamp} and (timestamp, id) > (${timestamp}, ${id}::uuid)`;
}

function conditions(sql: ScopedSql, filter: LogFilter): Fragment {
  const { start, end, userId, action, resourceType, resourceId, success, ipAddress } = filter;
  // The conditions of the partial indexes are spelt out, since they do not follow from a parameter.
  return sql`${inScope(sql, "user_id")}
    ${start ? sql`and timestamp >= ${start}` : sql``}
    ${end ? sql`and timestamp < ${end}` : sql``}
    ${userId ? sql`and user_id = ${userId}` : sql``}
    ${action ? sql`and action = ${storable(action)}` : sql``}
    ${resourceType ? sql`and resource_type = ${storable(resourceType)} and resource_type <> ''` : sql``}
    ${resourceId ? sql`and resource_id = ${storable(resourceId)} and resource_id <> ''` : sql``}
    ${success === null ? sql`` : success ? sql`and success` : sql`and not success`}
    ${ipAddress ? sql`and ip_address = ${ipAddress}::inet` : sql``}`;
}
