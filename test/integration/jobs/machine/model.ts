/** The plain model of all jobs of one run: what the product promises, without a database. */
import type { JobRequest } from "../../../../src/jobs/create.ts";
import type { ClaimedJob, Lease } from "../../../../src/jobs/leases.ts";
import { type JobStatus, priorityRank } from "../../../../src/jobs/model.ts";
import type { Caller } from "../../../../src/lib/caller.ts";

/** The stages of the pipeline `default`. */
export const STAGES = ["fetch", "detect", "extract", "normalize", "enrich", "chunk", "quality"] as const;
/** So often may a job's worker stop answering before the job is set aside. */
const LOST_CLAIMS = 3;

/** What a worker holds. */
export interface Held {
  readonly lease: Lease;
  readonly worker: string;
  /** The answer to the claim; null as long as it has not arrived: then nobody works on the job. */
  claimed: ClaimedJob | null;
  /** No heartbeat came for longer than the lease. */
  expired: boolean;
  /** The stage that runs; `start` before the first of this attempt, `done` after the last. */
  at: number | "start" | "done";
}

export interface ModelStage {
  status: "RUNNING" | "SUCCEEDED" | "FAILED" | "SKIPPED";
  attempt: number;
  key: string | null;
  fromCheckpoint: boolean;
}

export interface ModelJob {
  readonly id: string;
  readonly owner: string;
  readonly documentId: string;
  readonly request: JobRequest;
  status: JobStatus;
  attempt: number;
  lost: number;
  /** Its run_time has come. */
  due: boolean;
  /** It stands aside because its concurrency key is taken: the queue's matter, as it was seen last. */
  parked: boolean;
  /** The worker that has it or ended it. */
  worker: string | null;
  error: string | null;
  stage: string | null;
  share: number;
  stagesDone: number;
  held: Held | null;
  /** Leases that it had once. */
  readonly former: Lease[];
  readonly stages: Map<number, ModelStage>;
  /** As `eventText` writes them, in order. */
  readonly events: string[];
  /** The text of its result. */
  result: string | null;
  /** Raised by everything that writes to its row. */
  writes: number;
}

export interface Model {
  /** Two owners, who may do what a developer may, then an administrator. */
  readonly callers: readonly [Caller, Caller, Caller];
  /** In the order of their creation. */
  readonly jobs: ModelJob[];
  /** Jobs that were deleted, with the leases that they had. */
  readonly deleted: { readonly id: string; readonly former: readonly Lease[] }[];
  /** Requests with a request id that were sent, whatever became of them. */
  readonly sent: { readonly caller: Caller; readonly request: JobRequest }[];
  /** `action resource user`, one for each act of a caller that did something. */
  readonly audit: string[];
  paused: boolean;
  /** Somebody died before he could tell the queue; jobs may stand aside for nothing until it is reconciled. */
  loose: boolean;
  /** Numbers what must be told apart. */
  serial: number;
}

export const isFinal = ({ status }: ModelJob): boolean =>
  status === "COMPLETED" || status === "FAILED" || status === "CANCELLED";
export const isRunning = ({ status }: ModelJob): boolean =>
  status === "PROCESSING" || status === "CANCELLING";

/** True when the rules let a worker begin the job now. */
export function canBegin(m: Model, job: ModelJob): boolean {
  if (m.paused || job.status !== "CREATED" || !job.due) return false;
  return job.request.concurrencyKey === "" || sharersOf(m, job).filter(isRunning).length < limitOf(job);
}

/** How many jobs with its key, itself among them, may run. */
export const limitOf = ({ request }: ModelJob): number => request.concurrencyLimit || 1;

/** Its owner's jobs with its concurrency key. */
function sharersOf(m: Model, { owner, request }: ModelJob): ModelJob[] {
  return m.jobs.filter(
    (other) => other.owner === owner && other.request.concurrencyKey === request.concurrencyKey,
  );
}

/** True when as many run with its key, or may begin at once, as its limit allows. */
export function isKeyTaken(m: Model, job: ModelJob): boolean {
  const rank = rankOf(job);
  const active = sharersOf(m, job).filter(
    (other) =>
      isRunning(other) || (other.status === "CREATED" && other.due && !other.parked && rankOf(other) <= rank),
  );
  return active.length >= limitOf(job);
}

export const rankOf = ({ request }: ModelJob): number => priorityRank(request.priority);

export function audited(m: Model, action: string, resource: string, caller: Caller): void {
  m.audit.push(`${action} ${resource} ${caller.userId}`);
}

function move(job: ModelJob, status: JobStatus, note = ""): void {
  job.events.push(`${status} after ${job.status}, attempt ${job.attempt}${note}`);
  job.status = status;
  job.writes++;
}

/** The attempt is over: the lease is of no more use. */
function letGo(job: ModelJob): void {
  if (job.held) job.former.push(job.held.lease);
  job.held = null;
  job.share = 0;
}

export function created(
  m: Model,
  caller: Caller,
  request: JobRequest,
  made: { id: string; documentId: string },
): void {
  m.jobs.push({
    ...made,
    owner: caller.userId,
    request,
    status: "CREATED",
    attempt: 0,
    lost: 0,
    due: request.runTime === null,
    parked: false,
    worker: null,
    error: null,
    stage: null,
    share: 0,
    stagesDone: 0,
    held: null,
    former: [],
    stages: new Map(),
    events: ["CREATED after nothing, attempt 0"],
    result: null,
    writes: 0,
  });
  audited(m, "jobs.create", made.id, caller);
}

export function begun(job: ModelJob, worker: string, lease: Lease): void {
  job.attempt++;
  move(job, "PROCESSING");
  job.held = { lease, worker, claimed: null, expired: false, at: "start" };
  job.stage = null;
  job.worker = worker;
}

export function completed(job: ModelJob, text: string): void {
  letGo(job);
  move(job, "COMPLETED");
  Object.assign(job, { error: null, stage: null, stagesDone: STAGES.length, result: text });
  for (const stage of job.stages.values()) stage.key = null;
}

/** An attempt that failed; `retry` says when the next one may begin, null that there is none. */
export function failed(job: ModelJob, reason: string, retry: "now" | "later" | null): void {
  letGo(job);
  job.error = reason;
  move(job, retry ? "CREATED" : "FAILED", `, ${reason}`);
  if (!retry) return;
  job.worker = null;
  job.due = retry === "now";
}

export function released(job: ModelJob): void {
  letGo(job);
  job.attempt--;
  move(job, "CREATED");
  job.worker = null;
}

/** A caller asks for the end; a second time changes nothing. */
export function cancelAsked(job: ModelJob, reason: string): void {
  if (job.status === "CANCELLING") return;
  if (reason !== "") job.events.push("log");
  move(job, job.status === "CREATED" ? "CANCELLED" : "CANCELLING");
}

export function cancelConfirmed(job: ModelJob): void {
  letGo(job);
  move(job, "CANCELLED");
}

export function requeued(job: ModelJob): void {
  Object.assign(job, { attempt: 0, lost: 0, due: true, worker: null, error: null, stage: null, share: 0 });
  move(job, "CREATED");
}

export function deleted(m: Model, job: ModelJob): void {
  m.jobs.splice(m.jobs.indexOf(job), 1);
  m.deleted.push({ id: job.id, former: job.former });
}

/** The sweep takes back a job whose lease ran out. */
export function takenBack(job: ModelJob): void {
  letGo(job);
  job.lost++;
  if (job.status === "CANCELLING") {
    move(job, "CANCELLED");
    return;
  }
  job.attempt--;
  job.due = true;
  if (job.lost >= LOST_CLAIMS) {
    job.error = "QUARANTINED";
    move(job, "FAILED", ", QUARANTINED");
  } else {
    move(job, "CREATED");
    job.worker = null;
  }
}

/** The stages from the first on whose output an earlier attempt, or this one, has left. */
export function restorable(job: ModelJob): number {
  const first = STAGES.findIndex((_, position) => !job.stages.get(position)?.key);
  return first < 0 ? STAGES.length : first;
}

/** The step of a new attempt to its first stage that is not done, past those that are. */
export function stagesBegun(job: ModelJob, held: Held): void {
  const first = restorable(job);
  for (let position = 0; position < first; position++) {
    const stage = job.stages.get(position);
    if (stage) stage.fromCheckpoint = true;
    job.events.push(`stage_finished ${STAGES[position]} SUCCEEDED, restored`);
  }
  stageBegun(job, held, first);
  job.stagesDone = first;
}

/** The step from a stage that ended to the next one, if it has not failed. */
export function stageEnded(job: ModelJob, held: Held, status: "SUCCEEDED" | "FAILED" | "SKIPPED"): void {
  const position = Number(held.at);
  const key = status === "SUCCEEDED" ? keyOf(position) : null;
  const { attempt } = job.stages.get(position) ?? { attempt: job.attempt };
  job.stages.set(position, { status, attempt, key, fromCheckpoint: false });
  job.events.push(`stage_finished ${STAGES[position]} ${status}`);
  stageBegun(job, held, status === "FAILED" ? STAGES.length : position + 1);
  job.stagesDone = status === "FAILED" ? position : position + 1;
}

export const keyOf = (position: number): string => `key of stage ${position}`;

function stageBegun(job: ModelJob, held: Held, position: number): void {
  const stage = STAGES[position];
  held.at = stage ? position : "done";
  job.stage = stage ?? null;
  job.share = 0;
  job.writes++;
  if (!stage) return;
  job.stages.set(position, { status: "RUNNING", attempt: job.attempt, key: null, fromCheckpoint: false });
  job.events.push(`stage_started ${stage}, attempt ${job.attempt}`);
}
