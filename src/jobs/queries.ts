import {
  array,
  type Fragment,
  inScope,
  likePattern,
  type ScopedSql,
  type ScopedTransaction,
  type WalledTransaction,
} from "../db/sql.ts";
import type { Json } from "../extract/model.ts";
import { firstIdAt } from "../lib/ids.ts";
import { storable, storableJson } from "../lib/storable.ts";
import { aheadOfKey } from "../queue/key-queries.ts";
import { expiryFromNow } from "./expiry-queries.ts";
import { type JobRow, jobColumns, jobFromRow } from "./job-row.ts";
import {
  type Job,
  type JobFilter,
  type JobPriority,
  type JobResult,
  type JobStage,
  type JobStatus,
  priorityRank,
  type ResultContent,
  type ResultFormat,
  statusesBefore,
} from "./model.ts";

/** A job to insert; everything that may differ between two jobs of one batch. */
export interface NewJob {
  id: string;
  ownerId: string;
  priority: JobPriority;
  pipelineId: string;
  pipelineName: string;
  pipelineVersion: number;
  stagesTotal: number;
  documentId: string;
  labels: Record<string, string>;
  parameters: { [key: string]: Json };
  password: Uint8Array | null;
  requestId: string | null;
  requestHash: string | null;
  concurrencyKey: string | null;
  concurrencyLimit: number;
  maxAttempts: number;
  /** Null: at once. */
  runTime: Date | null;
  timeoutMs: number | null;
}

/**
 * Inserts the jobs and logs their first event, in one statement. Answers which were inserted: a job whose
 * owner has used its request id before is left out. Two equal request ids in one call: the first wins.
 */
export async function insertJobs(sql: WalledTransaction, jobs: readonly NewJob[]): Promise<Job[]> {
  const records = jobs.map((job) => ({
    ...job,
    priority: priorityRank(job.priority),
    password: job.password ? Buffer.from(job.password).toString("base64") : null,
  }));
  const rows = await sql<JobRow[]>`
    with r as (
      select *, row_number() over (partition by "ownerId", "concurrencyKey" order by priority, id) as nth
      from jsonb_to_recordset(${storableJson(records)}::text::jsonb) as r(
        id uuid, "ownerId" uuid, priority smallint, "pipelineId" uuid, "pipelineName" text,
        "pipelineVersion" int, "stagesTotal" smallint, "documentId" uuid, labels jsonb, parameters jsonb,
        password text, "requestId" text, "requestHash" text, "concurrencyKey" text, "concurrencyLimit" smallint,
        "maxAttempts" int, "runTime" timestamptz(3), "timeoutMs" bigint)
    ), ahead as materialized (
      select "ownerId", "concurrencyKey", priority,
        ${aheadOfKey(sql, sql`"ownerId"`, sql`"concurrencyKey"`, sql`priority`)} as n
      from r where "concurrencyKey" is not null group by "ownerId", "concurrencyKey", priority
    ), j as (
      insert into jobs (id, owner_id, priority, pipeline_id, pipeline_name, pipeline_version, stages_total,
        document_id, labels, parameters, password, request_id, request_hash, concurrency_key, concurrency_limit,
        parked, max_attempts, run_time, timeout_ms, last_sequence)
      select r.id, r."ownerId", r.priority, r."pipelineId", r."pipelineName", r."pipelineVersion",
        r."stagesTotal", r."documentId", r.labels, r.parameters, decode(r.password, 'base64'), r."requestId",
        r."requestHash", r."concurrencyKey", r."concurrencyLimit",
        -- Those for which their key has no place stand aside from the beginning.
        r."concurrencyKey" is not null and coalesce(r."runTime", now()) <= now()
          and r.nth + a.n > r."concurrencyLimit",
        r."maxAttempts", coalesce(r."runTime", now()), r."timeoutMs", 1
      from r left join ahead a
        on a."ownerId" = r."ownerId" and a."concurrencyKey" = r."concurrencyKey" and a.priority = r.priority
      on conflict (owner_id, request_id) where request_id is not null do nothing
      returning *
    ), e as (
      insert into job_events (job_id, sequence, owner_id, type, payload)
      select id, 1, owner_id, 'status_changed', jsonb_build_object('status', 'CREATED', 'previousStatus', null,
        'attempt', 0) || case when run_time > now() then jsonb_build_object('runTime', run_time) else '{}' end
      from j
    )
    select ${jobColumns(sql)} from j`;
  return rows.map(jobFromRow);
}

/** The jobs that these owners' request ids made, with the hash of the request that made them. */
export async function findByRequestIds(
  sql: WalledTransaction,
  keys: readonly { ownerId: string; requestId: string }[],
): Promise<{ job: Job; requestHash: string; withinWindow: boolean }[]> {
  const rows = await sql<(JobRow & { requestHash: string; withinWindow: boolean })[]>`
    select ${jobColumns(sql)}, request_hash, created_at > now() - interval '24 hours' as within_window
    from jobs where (owner_id, request_id) in (
      select k."ownerId", k."requestId"
      from jsonb_to_recordset(${storableJson(keys)}::text::jsonb) as k("ownerId" uuid, "requestId" text))`;
  return rows.map(({ requestHash, withinWindow, ...row }) => ({
    job: jobFromRow(row),
    requestHash,
    withinWindow,
  }));
}

/** Frees request ids whose 24 hours are over, so that they may make new jobs. */
export async function releaseRequestIds(sql: WalledTransaction, jobIds: readonly string[]): Promise<void> {
  await sql`update jobs set request_id = null, request_hash = null
    where id = any(${array(jobIds)}::text::uuid[]) and created_at <= now() - interval '24 hours'`;
}

export async function findJob(sql: ScopedSql, id: string): Promise<Job | null> {
  const [row] = await sql<JobRow[]>`
    select ${jobColumns(sql)} from jobs
    where id = ${id} and ${inScope(sql)}`;
  return row ? jobFromRow(row) : null;
}

/** A stage as it comes out of JSON. */
type StageJson = Omit<JobStage, "startTime" | "endTime"> & {
  startTime: string | null;
  endTime: string | null;
};

/** The job and the stages that it has begun, both as of one moment. */
export async function findJobWithStages(
  sql: ScopedSql,
  id: string,
): Promise<{ job: Job; stages: JobStage[] } | null> {
  const [row] = await sql<(JobRow & { begun: StageJson[] })[]>`
    select ${jobColumns(sql, "j")}, (
      select coalesce(jsonb_agg(jsonb_build_object('position', s.position, 'name', s.name, 'type', s.type,
        'status', s.status, 'attempt', s.attempt, 'startTime', s.started_at, 'endTime', s.ended_at,
        'error', s.error, 'fromCheckpoint', s.from_checkpoint)), '[]')
      from job_stages s where s.job_id = j.id) as begun
    from jobs j where j.id = ${id} and ${inScope(sql, "j.owner_id")}`;
  if (!row) return null;
  const { begun, ...job } = row;
  const time = (text: string | null): Date | null => (text === null ? null : new Date(text));
  const stages = begun.map((stage) => ({
    ...stage,
    startTime: time(stage.startTime),
    endTime: time(stage.endTime),
  }));
  return { job: jobFromRow(job), stages };
}

/**
 * Behind the policy of `jobs` the server reads labels row by row, over the index of the owner: it takes an index that
 * needs an operator only when it knows that to be leakproof, and `@>` is none.
 */
function conditions(sql: ScopedSql, filter: JobFilter) {
  const like = filter.text ? likePattern(storable(filter.text)) : null;
  return sql`${inScope(sql, "j.owner_id")}
    ${filter.statuses?.length ? sql`and j.status = any(${array(filter.statuses)}::text::text[])` : sql``}
    ${filter.pipelineId ? sql`and j.pipeline_id = ${filter.pipelineId}` : sql``}
    ${filter.labels && Object.keys(filter.labels).length ? sql`and j.labels @> ${storableJson(filter.labels)}::text::jsonb and j.labels <> '{}'` : sql``}
    ${filter.createdAfter ? sql`and j.created_at >= ${filter.createdAfter}` : sql``}
    ${filter.createdBefore ? sql`and j.created_at < ${filter.createdBefore}` : sql``}
    ${
      like
        ? sql`and (j.id::text ilike ${like} or j.pipeline_name ilike ${like} or j.error::text ilike ${like}
      or exists (select from jsonb_each_text(j.labels) l where l.value ilike ${like})
      or exists (select from documents d where d.id = j.document_id and d.filename ilike ${like}))`
        : sql``
    }`;
}

/** A page of jobs, newest first: those with an id below `beforeId`. */
export async function listJobs(
  sql: ScopedSql,
  filter: JobFilter,
  page: { limit: number; beforeId: string | null },
): Promise<Job[]> {
  const rows = await sql<JobRow[]>`
    select ${jobColumns(sql, "j")} from jobs j
    where ${conditions(sql, filter)} ${page.beforeId ? sql`and j.id < ${page.beforeId}` : sql``}
    order by j.id desc limit ${page.limit}`;
  return rows.map(jobFromRow);
}

/** The ids of jobs that match and have one of these statuses, oldest first. */
export async function findJobIds(
  sql: ScopedSql,
  filter: JobFilter,
  statuses: readonly JobStatus[],
  limit: number,
): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select j.id from jobs j where ${conditions(sql, filter)}
      and j.status = any(${array(statuses)}::text::text[])
    order by j.id limit ${limit}`;
  return rows.map(({ id }) => id);
}

/** Those of `ids` that match. */
export async function matchingJobs(
  sql: ScopedSql,
  filter: JobFilter,
  ids: readonly string[],
): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select j.id from jobs j
    where j.id = any(${array(ids)}::text::uuid[]) and ${conditions(sql, filter)}`;
  return rows.map(({ id }) => id);
}

/** A transaction ends within this time, and the clocks of servers that make ids are no further apart. */
const MARGIN_MS = 60_000;

/**
 * Jobs that match and may have had events since then: those created or ended, and those that run. Others may be among
 * them. Of each kind the newest, at most `limit`.
 */
export async function jobsActiveSince(
  sql: ScopedSql,
  filter: JobFilter,
  since: Date,
  limit: number,
): Promise<string[]> {
  const from = new Date(since.getTime() - MARGIN_MS);
  // Each by an index of its own.
  const newest = (condition: Fragment): Fragment => sql`(
    select j.id from jobs j where ${conditions(sql, filter)} and ${condition} order by j.id desc limit ${limit})`;
  const rows = await sql<{ id: string }[]>`
    ${newest(sql`j.id >= ${firstIdAt(from.getTime())}`)}
    union ${newest(sql`j.ended_at >= ${from}`)}
    union ${newest(sql`j.status in ('PROCESSING', 'CANCELLING')`)}`;
  return rows.map(({ id }) => id);
}

/** How many jobs match, by status. */
export async function countJobs(
  sql: ScopedSql,
  filter: JobFilter,
): Promise<{ status: JobStatus; count: number }[]> {
  return await sql<{ status: JobStatus; count: number }[]>`
    select j.status, count(*)::int as count from jobs j where ${conditions(sql, filter)} group by j.status`;
}

/**
 * Asks for the end of a job: a waiting one is CANCELLED, a running one CANCELLING, one that is CANCELLING
 * stays so. Null when no such job is in scope or it has ended.
 */
export async function requestCancel(
  sql: ScopedTransaction,
  id: string,
  { reason, retentionMs }: { reason: string; retentionMs: number | null },
): Promise<Job | null> {
  const line = { level: "info", message: `Cancelled: ${reason}` };
  const rows = await sql<JobRow[]>`
    with old as (
      select * from jobs
      where id = ${id} and ${inScope(sql)} for update
    ), j as (
      update jobs set
        status = case when old.status = any(${array(statusesBefore("CANCELLING"))}::text::text[]) then 'CANCELLING' else 'CANCELLED' end,
        ended_at = case when old.status = 'CREATED' then now() end,
        expires_at = case when old.status = 'CREATED' then ${expiryFromNow(sql, retentionMs)} end,
        last_sequence = old.last_sequence + ${reason ? 2 : 1}, version = old.version + 1, updated_at = now()
      from old where jobs.id = old.id and old.status in ('CREATED', 'PROCESSING')
      returning jobs.*, old.status as previous_status
    ), e as (
      -- The reason first: a final status is the last event.
      insert into job_events (job_id, sequence, owner_id, type, payload)
      select id, last_sequence - 1, owner_id, 'log', ${storableJson(line)}::text::jsonb from j where ${reason !== ""}
      union all
      select id, last_sequence, owner_id, 'status_changed',
        jsonb_build_object('status', status, 'previousStatus', previous_status, 'attempt', attempt) from j
    )
    select ${jobColumns(sql)} from j
    union all
    select ${jobColumns(sql)} from old where status = 'CANCELLING'`;
  return rows[0] ? jobFromRow(rows[0]) : null;
}

/** Puts an ended job back in the line, with its attempts counted anew. Null when it is not in scope or not in such a status. */
export async function requeue(sql: ScopedTransaction, id: string): Promise<Job | null> {
  const from = statusesBefore("CREATED").filter((status) => status !== "PROCESSING");
  const rows = await sql<JobRow[]>`
    with old as (
      select id, status from jobs
      where id = ${id} and ${inScope(sql)}
        and status = any(${array(from)}::text::text[]) for update
    ), j as (
      update jobs set status = 'CREATED', run_time = now(), attempt = 0, lost_claims = 0, error = null,
        parked = jobs.concurrency_key is not null
          and ${aheadOfKey(sql, sql`jobs.owner_id`, sql`jobs.concurrency_key`, sql`jobs.priority`)} >= jobs.concurrency_limit,
        ended_at = null, expires_at = null, stage = null, stage_share = 0, stage_message = null, locked_by = null, last_sequence = last_sequence + 1,
        version = version + 1, updated_at = now()
      from old where jobs.id = old.id
      returning jobs.*, old.status as previous_status
    ), e as (
      insert into job_events (job_id, sequence, owner_id, type, payload)
      select id, last_sequence, owner_id, 'status_changed',
        jsonb_build_object('status', 'CREATED', 'previousStatus', previous_status, 'attempt', 0) from j
    )
    select ${jobColumns(sql)} from j`;
  return rows[0] ? jobFromRow(rows[0]) : null;
}

/**
 * Removes an ended job with all that hangs on it, and its document when no other job uses it. Answers the
 * keys of the objects that nothing refers to any more; null when the job is not in scope or has not ended.
 */
export async function deleteJob(sql: ScopedTransaction, id: string): Promise<string[] | null> {
  const [job] = await sql<{ documentId: string }[]>`
    select document_id from jobs
    where id = ${id} and ${inScope(sql)}
      and status in ('COMPLETED', 'FAILED', 'CANCELLED') for update`;
  if (!job) return null;
  const keys = await sql<{ key: string }[]>`
    select object_key as key from job_result_contents where job_id = ${id} and object_key is not null
    union all
    select checkpoint_object from job_stages where job_id = ${id} and checkpoint_object is not null`;
  await sql`delete from jobs where id = ${id}`;
  const documents = await sql.everybody("a document may be used by jobs of others", async (all) => {
    // Waits for creates that have begun to use the document; the next statement then sees their jobs.
    await all`select from documents where id = ${job.documentId} for update`;
    return await all<{ objectKey: string | null }[]>`
      delete from documents d where d.id = ${job.documentId}
        and not exists (select from jobs where document_id = d.id)
      returning object_key`;
  });
  return [...keys.map(({ key }) => key), ...documents.flatMap(({ objectKey }) => objectKey ?? [])];
}

export async function findResult(sql: ScopedSql, jobId: string): Promise<JobResult | null> {
  const [row] = await sql<
    (Omit<JobResult, "processingTimeMs" | "sizeBytes"> & { processingTimeMs: string; sizeBytes: string })[]
  >`
    select job_id, extracted_text, result_metadata as metadata, quality_score, processing_time_ms, output_uri,
      size_bytes, sha256, created_at as create_time, expires_at as expire_time
    from job_results where job_id = ${jobId}`;
  return row
    ? { ...row, processingTimeMs: Number(row.processingTimeMs), sizeBytes: Number(row.sizeBytes) }
    : null;
}

export async function findResultContent(
  sql: ScopedSql,
  jobId: string,
  format: ResultFormat,
): Promise<ResultContent | null> {
  // The text of a small result stands in its own row, once.
  const [row] = await sql<(Omit<ResultContent, "sizeBytes"> & { sizeBytes: string })[]>`
    select c.format, coalesce(c.content, case when c.format = 'TEXT' then r.extracted_text end) as content,
      c.object_key, c.size_bytes, c.sha256
    from job_result_contents c join job_results r using (job_id)
    where c.job_id = ${jobId} and c.format = ${format}`;
  return row ? { ...row, sizeBytes: Number(row.sizeBytes) } : null;
}
