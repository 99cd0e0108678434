import type { Fragment, Sql } from "../db/sql.ts";
import { eventInsert } from "../events/log.ts";
import type { NewEvent } from "../events/model.ts";
import { storable, storableJson } from "../lib/storable.ts";
import { entryColumns } from "../queue/line-queries.ts";
import type { QueueEntry } from "../queue/queue.ts";
import { expiryFromNow } from "./expiry-queries.ts";
import type { JobError, JobStatus, ResultFormat } from "./model.ts";

/** What a worker holds while it runs an attempt. Every write names it; a write that no longer fits changes nothing. */
export interface Lease {
  readonly jobId: string;
  readonly token: string;
}

/** The jobs among these leases that are ordered to stop. */
export async function readOrders(sql: Sql, leases: readonly Lease[]): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select jobs.id
    from jobs join jsonb_to_recordset(${storableJson(leases)}::text::jsonb) as l("jobId" uuid, token uuid)
      on jobs.id = l."jobId" and jobs.lease_token = l.token
    where jobs.status = 'CANCELLING'`;
  return rows.map(({ id }) => id);
}

/** The end of a stage, as it is written down. */
export interface StageEnd {
  position: number;
  status: "SUCCEEDED" | "FAILED" | "SKIPPED";
  error: JobError | null;
  fromCheckpoint: boolean;
  checkpointKey: string | null;
  /** The document after the stage: in the row when small, else in the object store. */
  checkpoint: Uint8Array | null;
  checkpointObject: string | null;
}

export interface StageStart {
  position: number;
  name: string;
  type: string;
}

export interface Step {
  ended: StageEnd | null;
  started: StageStart | null;
  stagesDone: number;
  stagesTotal: number;
  /** Stages from the first on whose outputs were taken from earlier attempts. */
  restored: number;
  peakMemoryBytes?: number;
  events: readonly NewEvent[];
}

/** How a job that is still held stands: whether it is to be cancelled, and the number of its newest event. */
export interface Held {
  readonly cancel: boolean;
  readonly sequence: number;
}

interface HeldRow {
  cancel: boolean;
  lastSequence: string;
}

const heldOf = (row: HeldRow | undefined): Held | null =>
  row ? { cancel: row.cancel, sequence: Number(row.lastSequence) } : null;

/** Only while `after` is the newest event: a write that is made twice, or comes late, is then written once. */
function isNewest(sql: Sql, after: number | null): Fragment {
  return after === null ? sql`` : sql`and last_sequence = ${after}`;
}

/** How the job stands; null when the lease is lost. */
export async function readHeld(sql: Sql, lease: Lease): Promise<Held | null> {
  const [row] = await sql<HeldRow[]>`
    select status = 'CANCELLING' as cancel, last_sequence from jobs
    where id = ${lease.jobId} and lease_token = ${lease.token} and status in ('PROCESSING', 'CANCELLING')`;
  return heldOf(row);
}

/**
 * Writes one step of the pipeline: the end of a stage, the start of the next, and their events, in one
 * statement. Null, and nothing is written, when the lease is lost or, with `after`, that is not the newest event.
 */
export async function recordStep(
  sql: Sql,
  lease: Lease,
  step: Step,
  after: number | null = null,
): Promise<Held | null> {
  const { ended, started } = step;
  const [row] = await sql<HeldRow[]>`
    with j as (
      update jobs set stage = ${started?.name ?? null}, stage_share = 0, stage_message = null,
        stages_done = ${step.stagesDone},
        stages_total = ${step.stagesTotal}, ${peakUpdate(sql, step.peakMemoryBytes)}, last_sequence = last_sequence + ${step.events.length},
        version = version + 1, updated_at = now()
      where id = ${lease.jobId} and lease_token = ${lease.token} and status in ('PROCESSING', 'CANCELLING')
        ${isNewest(sql, after)}
      returning id, owner_id, last_sequence, attempt, status
    ), ended as (
      update job_stages s set status = ${ended?.status ?? null}, ended_at = now(),
        error = ${ended?.error ? storableJson(ended.error) : null}::text::jsonb,
        from_checkpoint = ${ended?.fromCheckpoint ?? false},
        checkpoint_key = ${ended?.checkpointKey ?? null}, checkpoint = ${ended?.checkpoint ?? null},
        checkpoint_object = ${ended?.checkpointObject ?? null}
      from j where s.job_id = j.id and s.position = ${ended?.position ?? -1}
    ), restored as (
      update job_stages s set from_checkpoint = true from j where s.job_id = j.id and s.position < ${step.restored}
    ), started as (
      insert into job_stages as s (job_id, position, name, type, status, attempt)
      select j.id, ${started?.position ?? 0}, ${started?.name ?? ""}, ${started?.type ?? ""}, 'RUNNING', j.attempt
      from j where ${started !== null}
      on conflict (job_id, position) do update set status = 'RUNNING', attempt = excluded.attempt,
        started_at = now(), ended_at = null, error = null, from_checkpoint = false, checkpoint_key = null, checkpoint = null,
        checkpoint_object = null
    ), e as (${eventInsert(sql, "j", step.events)})
    select j.status = 'CANCELLING' as cancel, j.last_sequence from j`;
  return heldOf(row);
}

/** The column only grows within an attempt; a claim empties it. */
function peakUpdate(sql: Sql, bytes: number | undefined): Fragment {
  return sql`peak_memory_bytes = greatest(peak_memory_bytes, ${bytes || null}::bigint)`;
}

export interface Progress {
  share: number;
  message: string | null;
  peakMemoryBytes?: number;
  events: readonly NewEvent[];
}

/** Notes how far the running stage is, with events. Same answer as `recordStep`. */
export async function recordProgress(
  sql: Sql,
  lease: Lease,
  progress: Progress,
  after: number | null = null,
): Promise<Held | null> {
  const [row] = await sql<HeldRow[]>`
    with j as (
      update jobs set stage_share = ${progress.share}, stage_message = ${progress.message === null ? null : storable(progress.message)},
        ${peakUpdate(sql, progress.peakMemoryBytes)}, last_sequence = last_sequence + ${progress.events.length},
        updated_at = now()
      where id = ${lease.jobId} and lease_token = ${lease.token} and status in ('PROCESSING', 'CANCELLING')
        ${isNewest(sql, after)}
      returning id, owner_id, last_sequence, status
    ), e as (${eventInsert(sql, "j", progress.events)})
    select j.status = 'CANCELLING' as cancel, j.last_sequence from j`;
  return heldOf(row);
}

/** A stage of an earlier attempt whose output can be used again. */
export interface Checkpoint {
  readonly position: number;
  readonly key: string;
  readonly content: Uint8Array | null;
  readonly objectKey: string | null;
}

/** What an earlier attempt left of a stage: its output, or that its condition left it out. */
export interface CheckpointKey {
  readonly position: number;
  readonly key: string;
  readonly skipped: boolean;
}

/** The keys of the checkpoints that earlier attempts left, in order; contents are read one by one. */
export async function listCheckpoints(sql: Sql, jobId: string): Promise<CheckpointKey[]> {
  return await sql<CheckpointKey[]>`
    select position, checkpoint_key as key, status = 'SKIPPED' as skipped from job_stages
    where job_id = ${jobId} and status in ('SUCCEEDED', 'SKIPPED') and checkpoint_key is not null order by position`;
}

export async function readCheckpoint(sql: Sql, jobId: string, position: number): Promise<Checkpoint | null> {
  const [row] = await sql<Checkpoint[]>`
    select position, checkpoint_key as key, checkpoint as content, checkpoint_object as object_key
    from job_stages where job_id = ${jobId} and position = ${position}`;
  return row ?? null;
}

/** All that a completed attempt leaves behind. */
export interface Completion {
  extractedText: string | null;
  metadata: unknown;
  qualityScore: number | null;
  outputUri: string | null;
  sizeBytes: number;
  sha256: string;
  contents: readonly {
    format: ResultFormat;
    content: string | null;
    objectKey: string | null;
    sizeBytes: number;
    sha256: string;
  }[];
}

function mediaTypeOf(metadata: unknown): string | null {
  const found = (metadata as { mediaType?: unknown } | null)?.mediaType;
  return typeof found === "string" ? storable(found) : null;
}

/**
 * Completes the job: status, result and final event commit together, or, when the lease is lost or a cancel
 * came first, nothing does and the answer is null. Checkpoints end with the job; the keys of those that lie
 * in the object store are answered.
 */
export async function completeJob(
  sql: Sql,
  lease: Lease,
  result: Completion,
  retentionMs: number | null,
): Promise<{ orphans: string[] } | null> {
  const [row] = await sql<{ orphans: string[] }[]>`
    with j as (
      update jobs set status = 'COMPLETED', ended_at = now(), expires_at = ${expiryFromNow(sql, retentionMs)}, error = null, password = null, lease_token = null, lease_until = null,
        stage = null, stage_share = 0, stages_done = stages_total,
        last_sequence = last_sequence + 1, version = version + 1, updated_at = now()
      where id = ${lease.jobId} and lease_token = ${lease.token} and status = 'PROCESSING'
      returning id, owner_id, last_sequence, attempt, document_id, expires_at
    ), d as (
      -- What the content shows, now that it is known.
      update documents set media_type = ${mediaTypeOf(result.metadata)} from j
      where documents.id = j.document_id and ${mediaTypeOf(result.metadata) !== null}
    ), r as (
      insert into job_results (job_id, extracted_text, result_metadata, quality_score, processing_time_ms,
        output_uri, size_bytes, sha256, expires_at)
      select j.id, ${result.extractedText}, ${storableJson(result.metadata)}::text::jsonb, ${result.qualityScore},
        coalesce((select sum(extract(epoch from st.ended_at - st.started_at) * 1000)::bigint
          from job_stages st where st.job_id = j.id and st.status = 'SUCCEEDED'), 0),
        ${result.outputUri}, ${result.sizeBytes}, ${result.sha256}, j.expires_at from j
      returning job_id
    ), c as (
      insert into job_result_contents (job_id, format, content, object_key, size_bytes, sha256)
      select r.job_id, x.format, x.content, x."objectKey", x."sizeBytes", x.sha256
      from r cross join jsonb_to_recordset(${storableJson(result.contents)}::text::jsonb) as x(
        format text, content text, "objectKey" text, "sizeBytes" bigint, sha256 text)
    ), old as (
      select s.job_id, s.position, s.checkpoint_object from job_stages s join j on s.job_id = j.id
      where s.checkpoint_key is not null
    ), s as (
      update job_stages set checkpoint = null, checkpoint_object = null, checkpoint_key = null
      from old where job_stages.job_id = old.job_id and job_stages.position = old.position
    ), doomed as (
      -- For a worker that dies before it has removed them.
      insert into doomed_objects (key)
      select checkpoint_object from old where checkpoint_object is not null on conflict do nothing
    ), e as (
      insert into job_events (job_id, sequence, owner_id, type, payload)
      select id, last_sequence, owner_id, 'status_changed',
        jsonb_build_object('status', 'COMPLETED', 'previousStatus', 'PROCESSING', 'attempt', attempt,
          'lease', ${lease.token}::text) from j
    )
    select coalesce((select jsonb_agg(checkpoint_object) filter (where checkpoint_object is not null) from old), '[]') as orphans
    from j`;
  return row ?? null;
}

/**
 * Ends an attempt that failed: FAILED, or CREATED again with `retryInMs` when it may be tried again. Null
 * when the lease is lost or a cancel came first.
 */
export async function failAttempt(
  sql: Sql,
  lease: Lease,
  failure: { error: JobError; retryInMs: number | null },
  retentionMs: number | null,
): Promise<{ status: "FAILED" | "CREATED"; entry: QueueEntry } | null> {
  const retry = failure.retryInMs !== null;
  const [row] = await sql<(QueueEntry & { status: "FAILED" | "CREATED" })[]>`
    with j as (
      update jobs set status = ${retry ? "CREATED" : "FAILED"}, error = ${storableJson(failure.error)}::text::jsonb,
        run_time = case when ${retry} then now() + ${failure.retryInMs ?? 0}::int * interval '1 millisecond' else run_time end,
        ended_at = case when ${retry} then null else now() end,
        expires_at = case when ${retry} then null else ${expiryFromNow(sql, retentionMs)} end,
        lease_token = null, lease_until = null, locked_by = case when ${retry} then null else locked_by end,
        stage_share = 0, last_sequence = last_sequence + 1, version = version + 1, updated_at = now()
      where id = ${lease.jobId} and lease_token = ${lease.token} and status = 'PROCESSING'
      returning *
    ), e as (
      insert into job_events (job_id, sequence, owner_id, type, payload)
      select id, last_sequence, owner_id, 'status_changed',
        jsonb_build_object('status', status, 'previousStatus', 'PROCESSING', 'attempt', attempt, 'error', error,
          'lease', ${lease.token}::text)
          || case when status = 'CREATED' then jsonb_build_object('runTime', run_time) else '{}' end
      from j
    )
    select status, ${entryColumns(sql, "j")} from j`;
  if (!row) return null;
  const { status, ...entry } = row;
  return { status, entry };
}

/** Ends a job whose worker has stopped working on it by order. False when the lease is lost. */
export async function confirmCancel(sql: Sql, lease: Lease, retentionMs: number | null): Promise<boolean> {
  const rows = await sql`
    with j as (
      update jobs set status = 'CANCELLED', ended_at = now(), expires_at = ${expiryFromNow(sql, retentionMs)}, lease_token = null, lease_until = null,
        stage_share = 0, last_sequence = last_sequence + 1, version = version + 1, updated_at = now()
      where id = ${lease.jobId} and lease_token = ${lease.token} and status = 'CANCELLING'
      returning id, owner_id, last_sequence, attempt
    ), e as (
      insert into job_events (job_id, sequence, owner_id, type, payload)
      select id, last_sequence, owner_id, 'status_changed',
        jsonb_build_object('status', 'CANCELLED', 'previousStatus', 'CANCELLING', 'attempt', attempt,
          'lease', ${lease.token}::text) from j
    )
    select id from j`;
  return rows.length > 0;
}

/**
 * Hands jobs back untouched, because the worker stops: neither a failure nor a lost claim, so the attempt is
 * taken back too. Answers those handed back.
 */
export async function releaseLeases(sql: Sql, leases: readonly Lease[]): Promise<QueueEntry[]> {
  return await sql<QueueEntry[]>`
    with j as (
      update jobs set status = 'CREATED', attempt = attempt - 1, lease_token = null, lease_until = null,
        locked_by = null, stage_share = 0,
        last_sequence = last_sequence + 1, version = version + 1, updated_at = now()
      from jsonb_to_recordset(${storableJson(leases)}::text::jsonb) as l("jobId" uuid, token uuid)
      where jobs.id = l."jobId" and jobs.lease_token = l.token and jobs.status = 'PROCESSING'
      returning jobs.*, l.token as ended_lease
    ), e as (
      insert into job_events (job_id, sequence, owner_id, type, payload)
      select id, last_sequence, owner_id, 'status_changed',
        jsonb_build_object('status', 'CREATED', 'previousStatus', 'PROCESSING', 'attempt', attempt,
          'lease', ended_lease) from j
    )
    select ${entryColumns(sql, "j")} from j`;
}

/**
 * The status into which the holder of the lease itself has put the job at the end of its attempt, whatever became of the job
 * since. Null when it never did: the lease was lost, or the job is deleted. For whoever got no answer to such a write.
 */
export async function readEnd(sql: Sql, lease: Lease): Promise<JobStatus | null> {
  const [row] = await sql<{ status: JobStatus }[]>`
    select payload->>'status' as status from job_events
    where job_id = ${lease.jobId} and type = 'status_changed' and payload->>'lease' = ${lease.token}
    order by sequence desc limit 1`;
  return row?.status ?? null;
}
