import type { Sql } from "../db/sql.ts";

/** A page of all jobs, by id. */
export async function pageOfJobs(sql: Sql, afterId: string | null, limit: number): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from jobs ${afterId ? sql`where id > ${afterId}` : sql``} order by id limit ${limit}`;
  return rows.map(({ id }) => id);
}

/** The jobs that matter most, and how many there are of each kind. */
export interface RecentJobs {
  readonly ids: readonly string[];
  /** Waiting or running. */
  readonly open: number;
  readonly ended: number;
  /** No open job is missing. */
  readonly allOpen: boolean;
  /** No job is missing. */
  readonly complete: boolean;
}

/**
 * Jobs that are open, then those that ended last, then those that came last (some of which may have lost the time of
 * their end): up to `limit` of each, every one read along an index.
 */
export async function recentJobs(sql: Sql, limit: number): Promise<RecentJobs> {
  const rows = await sql<{ id: string; open: boolean; most: number; newest: number }[]>`
    with found as (
      (select id, status, 'running' as kind from jobs where status in ('PROCESSING', 'CANCELLING')
        order by id limit ${limit})
      union all
      (select id, status, 'line' from jobs where status = 'CREATED' and not parked
        order by priority, owner_id, run_time, id limit ${limit})
      union all
      (select id, status, 'parked' from jobs where status = 'CREATED' and parked and concurrency_key is not null
        order by owner_id, concurrency_key, run_time, id limit ${limit})
      union all
      (select id, status, 'ended' from jobs where ended_at is not null order by ended_at desc limit ${limit})
      union all
      (select id, status, 'newest' from jobs order by id desc limit ${limit})
    ), counts as (
      select kind, count(*)::int as jobs from found group by kind
    )
    select id, bool_or(status in ('CREATED', 'PROCESSING', 'CANCELLING')) as open,
      (select coalesce(max(jobs), 0) from counts where kind in ('running', 'line', 'parked')) as most,
      (select coalesce(max(jobs), 0) from counts where kind = 'newest') as newest
    from found group by id order by bool_or(kind in ('running', 'line', 'parked')) desc, id desc`;
  const open = rows.filter((row) => row.open).length;
  const [first] = rows;
  return {
    ids: rows.map(({ id }) => id),
    open,
    ended: rows.length - open,
    allOpen: (first?.most ?? 0) < limit,
    complete: (first?.newest ?? 0) < limit,
  };
}
