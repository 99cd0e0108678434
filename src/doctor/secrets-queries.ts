import type { Sql } from "../db/sql.ts";

/** Running jobs, and jobs in the line, with an encrypted password: up to `limit`, of the first 10,000 of each. */
export async function sealedPasswords(
  sql: Sql,
  limit: number,
): Promise<{ id: string; password: Uint8Array }[]> {
  return await sql<{ id: string; password: Uint8Array }[]>`
    select id, password from (
      (select id, password from jobs where status in ('PROCESSING', 'CANCELLING') order by id limit 10000)
      union all
      (select id, password from jobs where status = 'CREATED' and not parked
        order by priority, owner_id, run_time, id limit 10000)
    ) as open where password is not null limit ${limit}`;
}
