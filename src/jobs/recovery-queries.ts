import type { Sql } from "../db/sql.ts";
import { entryColumns } from "../queue/line-queries.ts";
import type { QueueEntry } from "../queue/queue.ts";
import { expiryFromNow } from "./expiry-queries.ts";
import { type JobPriority, priorityOfRank } from "./model.ts";

/** Any number, the same in every process: one sweeps at a time. */
const SWEEP_LOCK = 5_105_171_003;

/** Drops workers that have not been heard of for an hour. Answers the time of the database. */
export async function forgetWorkers(sql: Sql): Promise<Date> {
  const [row] = await sql<{ time: Date }[]>`
    with gone as (delete from workers where heartbeat_at < now() - interval '1 hour')
    select clock_timestamp() as time`;
  if (!row) throw new Error("the time has one row");
  return row.time;
}

/** What a sweep did with one job. */
export interface Recovered {
  readonly id: string;
  readonly entry: QueueEntry;
  readonly status: "CREATED" | "FAILED" | "CANCELLED";
  readonly workerId: string;
  readonly pipelineName: string;
  readonly priority: JobPriority;
}

/** Claims that may be lost before a job is set aside: one poison document must not take worker after worker down. */
export const MAX_LOST_CLAIMS = 3;
/** Log lines that a job which is set aside shows, and how many of its last events they are looked for in. */
const EVIDENCE_LINES = 5;
const EVIDENCE_EVENTS = 1_000;

/**
 * Takes back up to `limit` jobs whose lease ran out: in the line again, CANCELLED if that was ordered, and
 * FAILED with QUARANTINED and what was seen of it after `MAX_LOST_CLAIMS` lost claims. Each lost claim is in the
 * events, with what was seen of it; one that the database itself has lost, since it was not there to take the heartbeats,
 * counts for nothing. Does nothing while another process is at it.
 */
export async function recoverExpired(
  sql: Sql,
  limit: number,
  retentionMs: number | null,
): Promise<Recovered[]> {
  // One statement that takes the lock itself: in a transaction of several a process that freezes would hold it for as
  // long as it is frozen, and nobody would recover anything.
  const rows = await sql<(Omit<Recovered, "priority" | "entry"> & QueueEntry)[]>`
    with lock as materialized (select pg_try_advisory_xact_lock(${SWEEP_LOCK}) as mine), expired as (
      select id, status, locked_by, claim, lost,
        (case when lost_claims = 0 then '[]' else coalesce(lost_evidence, '[]') end)
          || (case when lost > lost_claims then claim else '[]' end) as lost_evidence,
        status = 'PROCESSING' and lost >= ${MAX_LOST_CLAIMS} as set_aside, last_sequence as newest
      from jobs cross join lateral (
        select lost_claims + case when heartbeat_at < pg_postmaster_start_time() then 0 else 1 end as lost
      ) as counted cross join lateral (select jsonb_build_object('workerId', locked_by, 'stage', stage,
        'stageMessage', left(stage_message, 500), 'peakMemoryBytes', peak_memory_bytes,
        'lastHeartbeatTime', heartbeat_at) as claim) as c
      where (select mine from lock) and status in ('PROCESSING', 'CANCELLING') and lease_until < now()
      order by id limit ${limit} for update of jobs skip locked
    ), quarantine as (
      select x.id, jsonb_build_object('reason', 'QUARANTINED', 'retryable', false, 'stage', x.claim->'stage',
        'message', format('The job was set aside: %s workers stopped answering while they ran it, the last of them %s. Look at the document before you retry it.',
          x.lost, concat_ws(', ', x.locked_by, 'in stage ' || (x.claim->>'stage'),
            x.claim->>'stageMessage', (x.claim->>'peakMemoryBytes')::bigint / 1048576 || ' MiB of memory in use')),
        'evidence', jsonb_build_object('lostClaims', x.lost_evidence, 'logLines', lines.texts)) as error
      from expired x cross join lateral (
        select coalesce(jsonb_agg(text order by sequence), '[]') as texts from (
          select e.sequence, left(e.payload->>'message', 500) as text from job_events e
          where e.job_id = x.id and e.type = 'log' and e.sequence > x.newest - ${EVIDENCE_EVENTS}
          order by e.sequence desc limit ${EVIDENCE_LINES}) as l
      ) as lines where x.set_aside
    ), j as (
      update jobs set
        status = case when expired.status = 'CANCELLING' then 'CANCELLED'
          when expired.set_aside then 'FAILED' else 'CREATED' end,
        error = coalesce((select q.error from quarantine q where q.id = jobs.id), error),
        lost_evidence = expired.lost_evidence,
        ended_at = case when expired.status = 'CANCELLING' or expired.set_aside then now() end,
        expires_at = case when expired.status = 'CANCELLING' or expired.set_aside
          then ${expiryFromNow(sql, retentionMs)} end,
        run_time = case when expired.status = 'PROCESSING' then now() else run_time end,
        attempt = case when expired.status = 'PROCESSING' then greatest(attempt - 1, 0) else attempt end,
        lost_claims = expired.lost, lease_token = null, lease_until = null, stage_share = 0,
        locked_by = case when expired.status = 'PROCESSING' and not expired.set_aside then null
          else jobs.locked_by end,
        last_sequence = last_sequence + 1, version = version + 1, updated_at = now()
      from expired where jobs.id = expired.id
      returning jobs.*, expired.status as previous_status, expired.locked_by as lost_worker, expired.claim as lost_claim
    ), e as (
      insert into job_events (job_id, sequence, owner_id, type, payload)
      select id, last_sequence, owner_id, 'status_changed',
        jsonb_strip_nulls(jsonb_build_object('status', status, 'previousStatus', previous_status,
          'attempt', attempt, 'lostWorker', lost_worker, 'lostClaim', lost_claim,
          'error', case when status = 'FAILED' then error end))
      from j
    )
    select status, lost_worker as worker_id, pipeline_name, ${entryColumns(sql, "j")} from j`;
  return rows.map(({ status, workerId, pipelineName, ...entry }) => {
    return { id: entry.id, entry, status, workerId, pipelineName, priority: priorityOfRank(entry.rank) };
  });
}
