import { array, type Sql } from "../db/sql.ts";
import type { Breach } from "./scan.ts";

/** A running job that breaks a rule, and for how long its lease has run out. */
export interface LeaseBreach extends Breach {
  readonly seconds: number;
}

/**
 * Running jobs, up to 10,000, whose lease ran out more than `graceMs` ago, that have none, or that are held by a worker
 * which is not in the table of workers.
 */
export async function leaseBreaches(sql: Sql, graceMs: number): Promise<LeaseBreach[]> {
  return await sql<LeaseBreach[]>`
    with running as (
      select id, lease_token, lease_until, locked_by from jobs where status in ('PROCESSING', 'CANCELLING')
      order by id limit 10000
    )
    select r.id, p.problem, coalesce(extract(epoch from now() - r.lease_until), 0)::float8 as seconds
    from running r cross join lateral (values
      ('LEASE_EXPIRED', r.lease_token is not null
        and r.lease_until < now() - ${graceMs}::int * interval '1 millisecond'),
      ('LEASE_MISSING', r.lease_token is null or r.lease_until is null),
      ('WORKER_UNKNOWN', r.lease_token is not null and r.lease_until >= now()
        and not exists (select from workers w where w.id = r.locked_by))
    ) as p(problem, broken) where p.broken order by r.id`;
}

/**
 * Gives running jobs without one a lease that nobody holds, or that their worker may still renew: when it runs out, the
 * sweep takes them back. Answers which.
 */
export async function giveLeases(sql: Sql, leaseMs: number): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    update jobs set lease_token = coalesce(lease_token, gen_random_uuid()),
      lease_until = now() + ${leaseMs}::int * interval '1 millisecond'
    where id in (select id from jobs where status in ('PROCESSING', 'CANCELLING') order by id limit 10000)
      and status in ('PROCESSING', 'CANCELLING') and (lease_token is null or lease_until is null)
    returning id`;
  return rows.map(({ id }) => id);
}

/** Takes lease columns off those of these jobs that do not run. Answers which. */
export async function clearLeases(sql: Sql, ids: readonly string[]): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    update jobs set lease_token = null, lease_until = null
    where id = any(${array(ids)}::text::uuid[]) and status not in ('PROCESSING', 'CANCELLING')
      and (lease_token is not null or lease_until is not null)
    returning id`;
  return rows.map(({ id }) => id);
}
