import type { Sql } from "../db/sql.ts";

/** Counting stops here: nobody needs to know more, and it costs time. */
export const MAX_COUNTED = 100_000;

export interface QueueState {
  readonly paused: boolean;
  readonly reason: string;
  /** E-mail address of whoever paused or resumed last; null if unknown. */
  readonly changedBy: string | null;
  /** Seconds since then. */
  readonly changedFor: number;
  /** Seconds since a process last compared the queue with the rows; null when none ever has. */
  readonly reconciledSeconds: number | null;
  /** Jobs that could begin now, counted up to `MAX_COUNTED`. */
  readonly waiting: number;
  readonly running: number;
  /** Of those waiting jobs: seconds since the first of them could have begun, and which it is. */
  readonly oldestSeconds: number | null;
  readonly oldestId: string | null;
  /** Seconds since a job was begun by any worker; null when none is known. */
  readonly begunSeconds: number | null;
}

/** The queue at one moment. Jobs held back by a concurrency key do not count as waiting. */
export async function readQueue(sql: Sql): Promise<QueueState> {
  const [row] = await sql<[QueueState]>`
    with could as (
      select w.id, w.run_time from jobs w
      where w.status = 'CREATED' and not w.parked and w.run_time <= now()
        and (w.concurrency_key is null or (select count(*) from jobs r where r.owner_id = w.owner_id
          and r.concurrency_key = w.concurrency_key and r.status in ('PROCESSING', 'CANCELLING')) < w.concurrency_limit)
      order by w.priority, w.owner_id, w.run_time, w.id limit ${MAX_COUNTED}
    ), oldest as (
      select id, run_time from could order by run_time, id limit 1
    ), running as (
      select started_at from jobs where status in ('PROCESSING', 'CANCELLING') order by id limit 10000
    ), begun as (
      select started_at from running
      union all
      select started_at from (select started_at from jobs where ended_at is not null
        order by ended_at desc limit 1000) as ended
    )
    select q.paused, q.reason, coalesce(u.email, u.display_name) as changed_by,
      extract(epoch from now() - q.changed_at)::float8 as changed_for,
      case when isfinite(q.reconciled_at) then extract(epoch from now() - q.reconciled_at)::float8 end
        as reconciled_seconds,
      (select count(*)::int from could) as waiting, (select count(*)::int from running) as running,
      (select extract(epoch from now() - run_time)::float8 from oldest) as oldest_seconds,
      (select id from oldest) as oldest_id,
      (select extract(epoch from now() - max(started_at))::float8 from begun) as begun_seconds
    from queue_state q left join users u on u.id = q.changed_by`;
  return row;
}

/** Running jobs of concurrency keys of which more run than any of them allows. */
export async function overrunKeys(sql: Sql): Promise<{ id: string }[]> {
  return await sql<{ id: string }[]>`
    with running as (
      select id, owner_id, concurrency_key, concurrency_limit from jobs where status in ('PROCESSING', 'CANCELLING')
      order by id limit 10000
    )
    select id from (
      select id, count(*) over (partition by owner_id, concurrency_key) as running,
        max(concurrency_limit) over (partition by owner_id, concurrency_key) as most
      from running where concurrency_key is not null
    ) as keyed where running > most order by id`;
}
