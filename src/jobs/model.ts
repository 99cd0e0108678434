import type { Json } from "../extract/model.ts";

export type JobStatus = "CREATED" | "PROCESSING" | "CANCELLING" | "CANCELLED" | "COMPLETED" | "FAILED";
export type JobPriority = "HIGH" | "NORMAL" | "LOW";
export type StageStatus = "PENDING" | "RUNNING" | "SUCCEEDED" | "FAILED" | "SKIPPED" | "CANCELLED";
export type ResultFormat = "TEXT" | "MARKDOWN" | "JSON" | "CHUNKS";

/**
 * Every way a job may change its status. CREATED with attempt > 0 waits for a retry or was handed back.
 * PROCESSING ─▶ CREATED: a failure that may be retried, a lost lease, a worker that stops.
 */
const TRANSITIONS: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  CREATED: ["PROCESSING", "CANCELLED"],
  PROCESSING: ["COMPLETED", "FAILED", "CREATED", "CANCELLING"],
  CANCELLING: ["CANCELLED"],
  CANCELLED: ["CREATED"],
  COMPLETED: [],
  FAILED: ["CREATED"],
};

/** The statuses from which a job may go to `to`: the only source of the conditions in SQL. */
export function statusesBefore(to: JobStatus): JobStatus[] {
  return (Object.keys(TRANSITIONS) as JobStatus[]).filter((from) => TRANSITIONS[from].includes(to));
}

/** True when the table of transitions has this step. */
export function canBecome(from: JobStatus, to: JobStatus): boolean {
  return TRANSITIONS[from].includes(to);
}

/** True when no worker and no timer will change the job any more. */
export function isFinal(status: JobStatus): boolean {
  return status === "COMPLETED" || status === "FAILED" || status === "CANCELLED";
}

/** Why a job or stage failed; `reason` is a value of `sluice.v1.ErrorReason` without its prefix. */
export interface JobError {
  reason: string;
  message: string;
  stage?: string;
  retryable: boolean;
  /** The setting that allows no more, when the document goes beyond a limit. */
  limit?: string;
  /** Of a job that was set aside. */
  evidence?: QuarantineEvidence;
}

/** What was seen of a job on which worker after worker was lost. */
export interface QuarantineEvidence {
  /** Oldest first. */
  lostClaims: LostClaim[];
  /** The last lines that stages wrote, oldest first. */
  logLines: string[];
}

/** A claim whose worker stopped answering; what is not known is null or absent. */
export interface LostClaim {
  workerId: string;
  stage?: string | null;
  stageMessage?: string | null;
  peakMemoryBytes?: number | null;
  /** ISO 8601. */
  lastHeartbeatTime?: string | null;
}

export interface JobStage {
  position: number;
  name: string;
  type: string;
  status: StageStatus;
  attempt: number;
  startTime: Date | null;
  endTime: Date | null;
  error: JobError | null;
  fromCheckpoint: boolean;
}

/** Why a job does not run yet. `position` counts the jobs that go first plus one; 0 when it is not in the line. */
export interface Waiting {
  reason: "SCHEDULED" | "RETRY_BACKOFF" | "BEHIND_OTHERS" | "NO_WORKER" | "CONCURRENCY_KEY" | "QUEUE_PAUSED";
  position: number;
  message: string;
  estimatedStartTime: Date | null;
}

export interface Job {
  id: string;
  ownerId: string;
  status: JobStatus;
  priority: JobPriority;
  pipelineId: string;
  pipelineName: string;
  pipelineVersion: number;
  documentId: string;
  labels: Record<string, string>;
  parameters: { [key: string]: Json };
  attempt: number;
  maxAttempts: number;
  runTime: Date;
  timeoutMs: number | null;
  concurrencyKey: string;
  /** How many of its owner's jobs with its key may run when it begins. */
  concurrencyLimit: number;
  /** It waits for others with its key to end. */
  parked: boolean;
  requestId: string;
  workerId: string | null;
  /** The most resident memory that a document process had in the last attempt; null if not known. */
  peakMemoryBytes: number | null;
  stage: string | null;
  /** Share of the current stage that is done, 0 to 1. */
  stageShare: number;
  /** What the running stage says about itself; empty if nothing. */
  stageMessage: string;
  stagesDone: number;
  stagesTotal: number;
  error: JobError | null;
  lastSequence: number;
  version: number;
  createTime: Date;
  updateTime: Date;
  startTime: Date | null;
  endTime: Date | null;
  expireTime: Date | null;
}

/**
 * Share of the whole job that is done, in percent with one decimal: stages done plus the share of the
 * running one, over all stages. 100 only when it is completed.
 */
export function percentDone(job: Pick<Job, "status" | "stagesDone" | "stagesTotal" | "stageShare">): number {
  if (job.status === "COMPLETED") return 100;
  if (job.stagesTotal === 0) return 0;
  const share = (job.stagesDone + Math.min(1, Math.max(0, job.stageShare))) / job.stagesTotal;
  // The result is still to be written when the last stage has ended.
  return Math.min(99.9, Math.round(share * 1000) / 10);
}

export const PRIORITIES: readonly JobPriority[] = ["HIGH", "NORMAL", "LOW"];

/** The priority as the claim orders it: 0 first. */
export function priorityRank(priority: JobPriority): number {
  return PRIORITIES.indexOf(priority);
}

/** @throws RangeError if `rank` is not 0, 1 or 2 */
export function priorityOfRank(rank: number): JobPriority {
  const priority = PRIORITIES[rank];
  if (!priority) throw new RangeError(`No priority has the rank ${rank}`);
  return priority;
}

/** What a job left behind. */
export interface JobResult {
  jobId: string;
  /** Null when it is larger than `INLINE_RESULT_BYTES`. */
  extractedText: string | null;
  metadata: { [key: string]: Json };
  qualityScore: number | null;
  processingTimeMs: number;
  outputUri: string | null;
  sizeBytes: number;
  sha256: string;
  createTime: Date;
  expireTime: Date | null;
}

/** One format of a result: either `content` or `objectKey` is set. */
export interface ResultContent {
  format: ResultFormat;
  content: string | null;
  objectKey: string | null;
  sizeBytes: number;
  sha256: string;
}

/** Texts up to this size, in UTF-8 bytes, stand in the result's row; larger ones in the object store. */
export const INLINE_RESULT_BYTES = 1024 * 1024;

/** What a listing asks for; absent conditions do not narrow it. */
export interface JobFilter {
  statuses?: readonly JobStatus[];
  pipelineId?: string;
  labels?: Record<string, string>;
  createdAfter?: Date;
  createdBefore?: Date;
  /** Part of the id, file name, pipeline name, a label's value or the error, in any case. */
  text?: string;
}
