import type { Sql } from "../db/sql.ts";

/** The line of one priority; ages in seconds. */
export interface QueueDepth {
  priority: number;
  waiting: number;
  delayed: number;
  leased: number;
  oldestSeconds: number | null;
}

export async function queueDepths(sql: Sql): Promise<QueueDepth[]> {
  return await sql<QueueDepth[]>`
    select p.priority, coalesce(w.waiting, 0)::int as waiting, coalesce(w.delayed, 0)::int as delayed,
      coalesce(r.leased, 0)::int as leased, w.oldest_seconds
    from generate_series(0, 2) as p(priority)
    left join (
      select priority, count(*) filter (where run_time <= now()) as waiting,
        count(*) filter (where run_time > now()) as delayed,
        extract(epoch from now() - min(run_time) filter (where run_time <= now()))::float8 as oldest_seconds
      from jobs where status = 'CREATED' group by priority
    ) w on w.priority = p.priority
    left join (
      select priority, count(*) as leased from jobs where status in ('PROCESSING', 'CANCELLING') group by priority
    ) r on r.priority = p.priority
    order by p.priority`;
}

/** Jobs that ended within a window, by how. */
export interface EndedJobs {
  windowSeconds: number;
  completed: number;
  failed: number;
  cancelled: number;
}

/** Over 1, 5 and 15 minutes. */
export async function endedJobs(sql: Sql): Promise<EndedJobs[]> {
  return await sql<EndedJobs[]>`
    select w.seconds as window_seconds, count(*) filter (where j.status = 'COMPLETED')::int as completed,
      count(*) filter (where j.status = 'FAILED')::int as failed,
      count(*) filter (where j.status = 'CANCELLED')::int as cancelled
    from unnest(array[60, 300, 900]) as w(seconds)
    left join jobs j on j.ended_at > now() - w.seconds * interval '1 second'
    group by w.seconds order by w.seconds`;
}

export interface WorkerEntry {
  id: string;
  host: string;
  version: string;
  concurrency: number;
  running: number;
  draining: boolean;
  alive: boolean;
  startTime: Date;
  heartbeatTime: Date;
  clockOffsetMs: number | null;
}

/** A page of the workers of the last hour, by id. */
export async function listWorkers(
  sql: Sql,
  page: { limit: number; afterId: string | null },
): Promise<WorkerEntry[]> {
  return await sql<WorkerEntry[]>`
    select id, host, version, concurrency, running, draining, started_at as start_time,
      heartbeat_at as heartbeat_time, clock_offset_ms::float8 as clock_offset_ms, heartbeat_at > now() - interval '30 seconds' as alive
    from workers where heartbeat_at > now() - interval '1 hour' ${page.afterId ? sql`and id > ${page.afterId}` : sql``}
    order by id limit ${page.limit}`;
}

export async function countLiveWorkers(sql: Sql): Promise<number> {
  const [row] = await sql<{ workers: number }[]>`
    select count(*)::int as workers from workers where heartbeat_at > now() - interval '30 seconds'`;
  return row?.workers ?? 0;
}

export interface PauseState {
  paused: boolean;
  reason: string;
}

export async function readPause(sql: Sql): Promise<PauseState> {
  const [row] = await sql<PauseState[]>`select paused, reason from queue_state`;
  return row ?? { paused: false, reason: "" };
}

/** False when it was so already. */
export async function writePause(
  sql: Sql,
  change: { paused: boolean; reason: string; changedBy: string },
): Promise<boolean> {
  const rows = await sql`update queue_state set paused = ${change.paused}, reason = ${change.reason},
    changed_by = ${change.changedBy}, changed_at = now() where paused <> ${change.paused} returning id`;
  return rows.length > 0;
}
