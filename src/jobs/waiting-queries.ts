import type { Sql } from "../db/sql.ts";
import { type Job, priorityRank } from "./model.ts";

/** Where a waiting job stands. */
export interface QueuePlace {
  /** Jobs that will be begun before it, as things are: of higher priority, of its owner, of others in their turns. */
  ahead: number;
  higher: number;
  workers: number;
  /** Jobs that the workers run at once. */
  slots: number;
  /** Jobs that ended within the last minute. */
  endedLastMinute: number;
  /** Jobs that run with the concurrency key of this one, and one of them. */
  keyRunning: number;
  keyHolder: string | null;
  /** Jobs with its key that wait and come before it. */
  keyAhead: number;
  paused: boolean;
  pauseReason: string;
}

/**
 * Where a job stands that could run now. Counting stops at 10,000 jobs of higher priority, 1,000 of its owner, 1,000
 * of its key and 100 other owners: nobody reads a place beyond that, and an exact one would cost a long scan.
 */
export async function queuePlace(
  sql: Sql,
  job: Pick<Job, "id" | "ownerId" | "priority" | "runTime" | "concurrencyKey">,
): Promise<QueuePlace> {
  const rank = priorityRank(job.priority);
  const key = job.concurrencyKey || null;
  const inLine = sql`status = 'CREATED' and not parked and priority = ${rank}`;
  const earlier = sql`(run_time, id) < (${job.runTime}::timestamptz, ${job.id}::uuid)`;
  const [row] = await sql<QueuePlace[]>`
    with recursive own as (
      select count(*)::int as n from (select from jobs where ${inLine} and owner_id = ${job.ownerId} and ${earlier}
        limit 1000) as o
    ), others as (
      select (select owner_id from jobs where ${inLine} and run_time <= now()
        order by owner_id, run_time, id limit 1) as owner_id, 1 as place
      union all
      select (select owner_id from jobs where ${inLine} and run_time <= now() and owner_id > o.owner_id
        order by owner_id, run_time, id limit 1), o.place + 1
      from others o where o.owner_id is not null and o.place < 100
    ), turns as (
      -- Each other owner has a turn before each turn of this one, as long as it has jobs.
      select coalesce(sum((select count(*) from (select from jobs where ${inLine} and owner_id = o.owner_id
        and run_time <= now() limit (select n + 1 from own)) as theirs)), 0)::int as n
      from others o where o.owner_id is not null and o.owner_id <> ${job.ownerId}
    ), higher as (
      select count(*)::int as n from (select from jobs where status = 'CREATED' and not parked and priority < ${rank}
        and run_time <= now() limit 10000) as h
    ), running as (
      select count(*)::int as n, min(id::text) as id from jobs where owner_id = ${job.ownerId}
        and concurrency_key = ${key} and status in ('PROCESSING', 'CANCELLING')
    ), same_key as (
      select count(*)::int as n from (select from jobs where status = 'CREATED' and owner_id = ${job.ownerId}
        and concurrency_key = ${key} and (priority < ${rank} or priority = ${rank} and ${earlier}) limit 1000) as k
    )
    select own.n + turns.n + higher.n as ahead, higher.n as higher, q.paused, q.reason as pause_reason,
      running.n as key_running, running.id as key_holder, same_key.n as key_ahead,
      (select count(*)::int from jobs where ended_at > now() - interval '1 minute') as ended_last_minute,
      (select count(*)::int from workers where heartbeat_at > now() - interval '30 seconds') as workers,
      (select coalesce(sum(concurrency), 0)::int from workers where heartbeat_at > now() - interval '30 seconds') as slots
    from own, turns, higher, running, same_key, queue_state q`;
  if (!row) throw new Error("the state of the queue has no row");
  return row;
}
