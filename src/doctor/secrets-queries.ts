import type { Sql } from "../db/sql.ts";
import type { StageConfig } from "../pipelines/model.ts";

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

/** Pipelines with the stages, as they are now, that have an encrypted secret: up to `limit`. */
export async function sealedPipelines(
  sql: Sql,
  limit: number,
): Promise<{ id: string; name: string; stages: StageConfig[] }[]> {
  return await sql<{ id: string; name: string; stages: StageConfig[] }[]>`
    select id, name, (select jsonb_agg(s) from jsonb_array_elements(config->'stages') as s where s ? 'sealedSecret') as stages
    from pipelines where deleted_at is null and config @? '$.stages[*].sealedSecret' order by id limit ${limit}`;
}
