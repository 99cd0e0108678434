/** What the database holds of one run, and what the model says that it must hold. */
import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import { array, type Sql } from "../../../../src/db/sql.ts";
import { isFinal, isKeyTaken, limitOf, type Model, type ModelJob, rankOf } from "./model.ts";

/** A job with all that hangs on it. */
interface SeenJob {
  id: string;
  documentId: string;
  token: string | null;
  worker: string | null;
  labels: Record<string, string>;
  parked: boolean;
  runTime: string;
  /** Of its whole row, so that any write shows. */
  rowHash: string;
  /** What the model knows as well. */
  view: JobView;
}

interface JobView {
  owner: string;
  status: string;
  attempt: number;
  lost: number;
  due: boolean;
  token: string | null;
  expired: boolean;
  worker: string | null;
  error: string | null;
  /** Lost claims that the error tells of. */
  evidence: number;
  stage: string | null;
  share: number;
  stagesDone: number;
  started: boolean;
  ended: boolean;
  priority: number;
  key: string | null;
  limit: number;
  requestId: string | null;
  maxAttempts: number;
  lastSequence: number;
  results: (string | null)[];
  contents: number;
  stages: [position: number, status: string, attempt: number, key: string | null, fromCheckpoint: boolean][];
  events: string[];
}

export interface Snapshot {
  readonly jobs: readonly SeenJob[];
  readonly documents: readonly string[];
  readonly audit: readonly string[];
  readonly paused: boolean;
}

type SeenEvent = [sequence: number, type: string, payload: Record<string, unknown>];
type JobFields = Omit<JobView, "events" | "token" | "worker"> &
  Omit<SeenJob, "view"> & { events: SeenEvent[] };

/** All in one statement. `since`: an id that is lower than all of the run and higher than those before it. */
export async function takeSnapshot(sql: Sql, m: Model, since: string): Promise<Snapshot> {
  const users = array(m.callers.map(({ userId }) => userId));
  const [row] = await sql<{ jobs: JobFields[]; documents: string[]; audit: string[]; paused: boolean }[]>`
    select (select paused from queue_state) as paused,
      (select coalesce(json_agg(id order by id), '[]') from documents
        where id > ${since} and owner_id = any(${users}::text::uuid[])) as documents,
      (select coalesce(json_agg(action || ' ' || resource_id || ' ' || user_id order by id), '[]') from audit_logs
        where id > ${since} and user_id = any(${users}::text::uuid[])) as audit,
      (select coalesce(json_agg(to_json(seen) order by seen.id), '[]') from (
        select id, document_id as "documentId", lease_token as token, locked_by as worker, labels,
          md5(jobs::text) as "rowHash", parked, to_char(run_time, 'YYYYMMDDHH24MISSMS') as "runTime", owner_id as owner, status, attempt, lost_claims as lost,
          run_time < now() + interval '5 seconds' as due, coalesce(lease_until < now(), false) as expired,
          error->>'reason' as error, coalesce(jsonb_array_length(error->'evidence'->'lostClaims'), 0) as evidence, stage, stage_share as share, stages_done as "stagesDone",
          started_at is not null as started, ended_at is not null as ended, priority, concurrency_key as key,
          concurrency_limit as "limit",
          request_id as "requestId", max_attempts as "maxAttempts", last_sequence as "lastSequence",
          (select coalesce(json_agg(extracted_text), '[]') from job_results where job_id = jobs.id) as results,
          (select count(*) from job_result_contents where job_id = jobs.id) as contents,
          (select coalesce(json_agg(json_build_array(position, status, attempt, checkpoint_key, from_checkpoint)
            order by position), '[]') from job_stages where job_id = jobs.id) as stages,
          (select coalesce(json_agg(json_build_array(sequence, type, payload) order by sequence), '[]')
            from job_events where job_id = jobs.id) as events
        from jobs where owner_id = any(${users}::text::uuid[])
      ) as seen) as jobs`;
  if (!row) throw new Error("the state of the queue has no row");
  return {
    ...row,
    jobs: row.jobs.map(({ id, documentId, labels, parked, runTime, rowHash, events, ...fields }) => ({
      id,
      documentId,
      labels,
      parked,
      runTime,
      rowHash,
      token: fields.token,
      worker: fields.worker,
      view: { ...fields, events: events.map(eventText) },
    })),
  };
}

/** One line for an event, with its place when that is not the one that it should have. */
function eventText([sequence, type, payload]: SeenEvent, index: number): string {
  const gap = sequence === index + 1 ? "" : ` with the sequence ${sequence}`;
  const { name, status, attempt, previousStatus, error, fromCheckpoint } = payload;
  const reason = (error as { reason: string } | null | undefined)?.reason;
  switch (type) {
    case "status_changed":
      return `${status} after ${previousStatus ?? "nothing"}, attempt ${attempt}${reason ? `, ${reason}` : ""}${gap}`;
    case "stage_started":
      return `${type} ${name}, attempt ${attempt}${gap}`;
    case "stage_finished":
      return `${type} ${name} ${status}${fromCheckpoint ? ", restored" : ""}${gap}`;
    default:
      return `${type}${gap}`;
  }
}

function expected(job: ModelJob): JobView {
  const { request, held } = job;
  return {
    owner: job.owner,
    status: job.status,
    attempt: job.attempt,
    lost: job.lost,
    due: job.due,
    token: held?.lease.token ?? null,
    expired: held?.expired ?? false,
    worker: job.worker,
    error: job.error,
    evidence: job.error === "QUARANTINED" ? job.lost : 0,
    stage: job.stage,
    share: job.share,
    stagesDone: job.stagesDone,
    started: job.events.some((event) => event.startsWith("PROCESSING")),
    ended: isFinal(job),
    priority: rankOf(job),
    key: request.concurrencyKey || null,
    limit: limitOf(job),
    requestId: request.requestId || null,
    maxAttempts: request.maxAttempts || 3,
    lastSequence: job.events.length,
    results: job.result === null ? [] : [job.result],
    contents: job.result === null ? 0 : 1,
    stages: [...job.stages]
      .sort(([a], [b]) => a - b)
      .map(([at, stage]) => [at, stage.status, stage.attempt, stage.key, stage.fromCheckpoint]),
    events: job.events,
  };
}

/** Rows of jobs as they were when they were last compared, with the number of writes that made them so. */
export type Known = Map<string, { writes: number; parked: boolean; rowHash: string }>;

/** Everything of the run is as the model says, and rows that nothing was to write to are untouched. */
export function compare(m: Model, seen: Snapshot, known: Known): void {
  const jobs = m.jobs.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const should = {
    paused: m.paused,
    audit: m.audit.toSorted(),
    documents: [...new Set(m.jobs.map(({ documentId }) => documentId))].sort(),
    jobs: jobs.map((job) => ({ id: job.id, ...expected(job) })),
  };
  const is = {
    paused: seen.paused,
    audit: seen.audit.toSorted(),
    documents: seen.documents,
    jobs: seen.jobs.map(({ id, view }) => ({ id, ...view })),
  };
  // The comparison that explains itself is slow.
  if (!isDeepStrictEqual(is, should)) expect(is).toStrictEqual(should);
  for (const [i, job] of jobs.entries()) {
    const { rowHash = "", parked = false } = seen.jobs[i] ?? {};
    const before = known.get(job.id);
    // Whoever parks a job or lets it go on writes nothing else, at any time.
    const untouched = before?.writes === job.writes && before.parked === parked;
    if (untouched && before.rowHash !== rowHash)
      throw new Error(`The row of job ${job.id} has changed, though nothing was to write to it.`);
    known.set(job.id, { writes: job.writes, parked, rowHash });
    job.parked = job.status === "CREATED" && parked;
  }
  checkParked(m, seen);
}

/** Only jobs whose key is taken stand aside. */
function checkParked(m: Model, seen: Snapshot): void {
  for (const { id, parked, view } of seen.jobs) {
    if (parked && (view.key === null || view.token !== null))
      throw new Error(`Job ${id} is parked and ${view.key === null ? "has no key" : "runs"}.`);
  }
  if (m.loose) return;
  const order = new Map(seen.jobs.map(({ id, runTime }) => [id, `${runTime} ${id}`]));
  const inTurn = m.jobs
    .filter(({ parked }) => parked)
    .sort((a, b) => rankOf(a) - rankOf(b) || ((order.get(a.id) ?? "") < (order.get(b.id) ?? "") ? -1 : 1));
  const next = new Map(inTurn.toReversed().map((job) => [`${job.owner} ${job.request.concurrencyKey}`, job]));
  for (const job of next.values()) {
    if (!isKeyTaken(m, job))
      throw new Error(`Job ${job.id} is parked although there is a place for its key.`);
  }
}
