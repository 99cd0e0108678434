import { array, type Sql } from "../db/sql.ts";
import type { Breach } from "./scan.ts";

/** Rules that hold within the row of a job. */
export async function jobBreaches(sql: Sql, ids: readonly string[]): Promise<Breach[]> {
  return await sql<Breach[]>`
    select j.id, p.problem from (
      select *, status in ('COMPLETED', 'FAILED', 'CANCELLED') as ended,
        status in ('PROCESSING', 'CANCELLING') as runs
      from jobs where id = any(${array(ids)}::text::uuid[])
    ) as j cross join lateral (values
      ('END_TIME_MISSING', j.ended and j.ended_at is null),
      ('END_TIME_TOO_EARLY', not j.ended and j.ended_at is not null),
      ('ERROR_MISSING', j.status = 'FAILED' and j.error is null),
      ('LEASE_LEFT', not j.runs and (j.lease_token is not null or j.lease_until is not null))
    ) as p(problem, broken) where p.broken order by j.id`;
}

/** Jobs whose document has no bytes, neither in its row nor in the object store. */
export async function documentBreaches(sql: Sql, ids: readonly string[]): Promise<Breach[]> {
  return await sql<Breach[]>`
    select j.id, case when j.status in ('CREATED', 'PROCESSING', 'CANCELLING') then 'BYTES_MISSING'
      else 'BYTES_MISSING_ENDED' end as problem
    from jobs j join documents d on d.id = j.document_id
    where j.id = any(${array(ids)}::text::uuid[]) and d.content is null and d.object_key is null
      -- One that is fetched by its address has none until a worker comes to it.
      and not (d.source = 'URI' and d.sha256 is null) order by j.id`;
}

/** Completed jobs without a whole result, and others with one. A result that has expired may be gone. */
export async function resultBreaches(sql: Sql, ids: readonly string[]): Promise<Breach[]> {
  return await sql<Breach[]>`
    select j.id, p.problem
    from jobs j left join job_results r on r.job_id = j.id cross join lateral (values
      ('RESULT_MISSING', j.status = 'COMPLETED' and r.job_id is null
        and coalesce(j.expires_at > now(), true)),
      ('RESULT_TOO_EARLY', j.status <> 'COMPLETED' and r.job_id is not null),
      ('CONTENT_MISSING', j.status = 'COMPLETED' and r.job_id is not null and (
        not exists (select from job_result_contents c where c.job_id = j.id and c.format = 'TEXT')
        -- A small text stands in the result's own row.
        or exists (select from job_result_contents c where c.job_id = j.id and c.object_key is null
          and c.content is null and not (c.format = 'TEXT' and r.extracted_text is not null))))
    ) as p(problem, broken) where j.id = any(${array(ids)}::text::uuid[]) and p.broken order by j.id`;
}

export interface Quarantined {
  readonly id: string;
  readonly message: string;
}

/** Jobs that were set aside within the last day, the newest first, among the `limit` that ended last. */
export async function quarantinedJobs(sql: Sql, limit: number): Promise<Quarantined[]> {
  return await sql<Quarantined[]>`
    select id, coalesce(error->>'message', '') as message from (
      select id, status, error, ended_at from jobs
      where ended_at is not null and ended_at > now() - interval '1 day' order by ended_at desc limit ${limit}
    ) as ended where status = 'FAILED' and error->>'reason' = 'QUARANTINED' order by ended_at desc`;
}
