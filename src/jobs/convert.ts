import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type CreateJobRequest,
  type DocumentSchema,
  DocumentSource,
  DocumentStatus,
  type JobErrorSchema,
  type JobEvent,
  JobEventSchema,
  type JobResultSchema,
  type JobSchema,
  LogLevel,
  type LostClaimSchema,
  type QuarantineEvidenceSchema,
  WaitingReason,
  ResultFormat as WireFormat,
  JobPriority as WirePriority,
  StageStatus as WireStageStatus,
  JobStatus as WireStatus,
} from "../../gen/sluice/v1/jobs_pb.ts";
import type { PipelineConfig } from "../../gen/sluice/v1/pipelines_pb.ts";
import type { LoggedEvent } from "../events/model.ts";
import type { Json } from "../extract/model.ts";
import { type FieldFault, InvalidRequestError } from "../lib/errors.ts";
import { storableJson } from "../lib/storable.ts";
import { dateOf, durationOf, millisecondsOf, type TimestampFields, timestampOf } from "../lib/wire-time.ts";
import type { StageConfig } from "../pipelines/model.ts";
import type { JobRequest, JobSource } from "./create.ts";
import type { Document } from "./documents/model.ts";
import type { JobEventBody } from "./job-events.ts";
import {
  type Job,
  type JobError,
  type JobFilter,
  type JobPriority,
  type JobResult,
  type JobStage,
  type JobStatus,
  type LostClaim,
  percentDone,
  type QuarantineEvidence,
  type ResultFormat,
  type StageStatus,
  type Waiting,
} from "./model.ts";
import type { JobDetails } from "./service.ts";

const STATUS: Record<JobStatus, WireStatus> = {
  CREATED: WireStatus.CREATED,
  PROCESSING: WireStatus.PROCESSING,
  CANCELLING: WireStatus.CANCELLING,
  CANCELLED: WireStatus.CANCELLED,
  COMPLETED: WireStatus.COMPLETED,
  FAILED: WireStatus.FAILED,
};

const PRIORITY: Record<JobPriority, WirePriority> = {
  HIGH: WirePriority.HIGH,
  NORMAL: WirePriority.NORMAL,
  LOW: WirePriority.LOW,
};

const STAGE_STATUS: Record<StageStatus, WireStageStatus> = {
  PENDING: WireStageStatus.PENDING,
  RUNNING: WireStageStatus.RUNNING,
  SUCCEEDED: WireStageStatus.COMPLETED,
  FAILED: WireStageStatus.FAILED,
  SKIPPED: WireStageStatus.SKIPPED,
  CANCELLED: WireStageStatus.CANCELLED,
};

const WAITING: Record<Waiting["reason"], WaitingReason> = {
  SCHEDULED: WaitingReason.SCHEDULED,
  RETRY_BACKOFF: WaitingReason.RETRY_BACKOFF,
  BEHIND_OTHERS: WaitingReason.BEHIND_OTHERS,
  NO_WORKER: WaitingReason.NO_WORKER,
  CONCURRENCY_KEY: WaitingReason.CONCURRENCY_KEY,
  QUEUE_PAUSED: WaitingReason.QUEUE_PAUSED,
};

const SOURCE: Record<Document["source"], DocumentSource> = {
  TEXT: DocumentSource.TEXT,
  INLINE: DocumentSource.INLINE,
  UPLOAD: DocumentSource.UPLOAD,
  URI: DocumentSource.URI,
};

const FORMATS: Record<ResultFormat, { wire: WireFormat; mediaType: string; suffix: string }> = {
  TEXT: { wire: WireFormat.TEXT, mediaType: "text/plain; charset=utf-8", suffix: "txt" },
  MARKDOWN: { wire: WireFormat.MARKDOWN, mediaType: "text/markdown; charset=utf-8", suffix: "md" },
  JSON: { wire: WireFormat.JSON, mediaType: "application/json", suffix: "json" },
  CHUNKS: { wire: WireFormat.CHUNKS, mediaType: "application/x-ndjson", suffix: "ndjson" },
};

/** The key of `map` whose value is `value`; `fallback` for the unspecified one. */
function keyOf<K extends string, V>(map: Record<K, V>, value: V, fallback: K): K {
  return (Object.keys(map) as K[]).find((key) => map[key] === value) ?? fallback;
}

export function formatFromWire(format: WireFormat): ResultFormat {
  const hit = (Object.keys(FORMATS) as ResultFormat[]).find((key) => FORMATS[key].wire === format);
  return hit ?? "TEXT";
}

export function formatToWire(format: ResultFormat) {
  return FORMATS[format];
}

export function statusToWire(status: JobStatus): WireStatus {
  return STATUS[status];
}

export function priorityToWire(priority: JobPriority): WirePriority {
  return PRIORITY[priority];
}

const YEAR_MS = 366 * 24 * 60 * 60_000;
const MAX_TIMEOUT_MS = 24 * 60 * 60_000;
const MAX_PARAMETERS_BYTES = 64 * 1024;
const MAX_PARAMETERS_DEPTH = 16;

/**
 * The request in the words of the domain. Checks by hand what rules in the contract would check slowly.
 * @throws InvalidRequestError naming every fault
 */
export function jobRequestFromMessage(message: CreateJobRequest, now: number): JobRequest {
  const faults: FieldFault[] = [];
  const runTime = dateOf(message.runTime);
  if (runTime && runTime.getTime() > now + YEAR_MS) {
    faults.push({ field: "run_time", description: "must be at most a year ahead" });
  }
  const timeoutMs = millisecondsOf(message.timeout);
  if (timeoutMs !== null && (timeoutMs < 1_000 || timeoutMs > MAX_TIMEOUT_MS)) {
    faults.push({ field: "timeout", description: "must be between 1 second and 24 hours" });
  }
  const parameters = (message.parameters ?? {}) as { [key: string]: Json };
  faults.push(...parameterFaults(parameters));
  if (storableJson(parameters) !== JSON.stringify(parameters))
    faults.push({ field: "parameters", description: "must not contain U+0000 or half of a surrogate pair" });
  const source = sourceFromMessage(message);
  if (!source)
    faults.push({ field: "source", description: "one of text, inline, document_id and uri is wanted" });
  if (faults.length > 0 || !source) throw new InvalidRequestError(faults);
  return {
    pipelineId: message.pipelineId,
    pipelineName: message.pipelineName,
    pipelineVersion: message.pipelineVersion,
    source,
    priority: keyOf(PRIORITY, message.priority, "NORMAL"),
    labels: { ...message.labels },
    parameters,
    password: message.password,
    runTime: runTime && runTime.getTime() > now ? runTime : null,
    timeoutMs,
    maxAttempts: message.maxAttempts,
    requestId: message.requestId,
    concurrencyKey: message.concurrencyKey,
    concurrencyLimit: message.concurrencyLimit,
  };
}

/** Depth and size are bounded so that every client can read the job again, in any encoding. */
function parameterFaults(parameters: { [key: string]: Json }): FieldFault[] {
  const fault = (description: string): FieldFault[] => [{ field: "parameters", description }];
  let level: Json[] = [parameters];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_PARAMETERS_DEPTH) return fault(`must be nested at most ${MAX_PARAMETERS_DEPTH} deep`);
    if (level.some((value) => typeof value === "number" && !Number.isFinite(value))) {
      return fault("must not hold numbers that are not finite");
    }
    level = level.flatMap((value) =>
      value !== null && typeof value === "object" ? Object.values(value) : [],
    );
  }
  const size = Buffer.byteLength(JSON.stringify(parameters));
  return size > MAX_PARAMETERS_BYTES ? fault("must have at most 64 KiB as JSON") : [];
}

function sourceFromMessage({ source, filename }: CreateJobRequest): JobSource | null {
  switch (source.case) {
    case "text":
      return { kind: "text", text: source.value, filename };
    case "inline":
      return {
        kind: "inline",
        bytes: source.value.data,
        filename: source.value.filename || filename,
        mediaType: source.value.mediaType,
      };
    case "documentId":
      return { kind: "document", documentId: source.value };
    case "uri":
      return { kind: "uri", uri: source.value, filename };
    default:
      return null;
  }
}

/** The flat fields of a listing. */
export function filterFromMessage(message: {
  statuses: WireStatus[];
  pipelineId: string;
  labels: Record<string, string>;
  createdAfter?: TimestampFields;
  createdBefore?: TimestampFields;
  query: string;
}): JobFilter {
  const after = dateOf(message.createdAfter);
  const before = dateOf(message.createdBefore);
  return {
    statuses: message.statuses.map((status) => keyOf(STATUS, status, "CREATED")),
    ...(message.pipelineId ? { pipelineId: message.pipelineId } : {}),
    ...(Object.keys(message.labels).length > 0 ? { labels: { ...message.labels } } : {}),
    ...(after ? { createdAfter: after } : {}),
    ...(before ? { createdBefore: before } : {}),
    ...(message.query ? { text: message.query } : {}),
  };
}

export function errorToMessage(error: JobError | null): MessageInitShape<typeof JobErrorSchema> | undefined {
  if (!error) return undefined;
  return {
    reason: error.reason,
    message: error.message,
    stage: error.stage ?? "",
    retryable: error.retryable,
    limit: error.limit ?? "",
    evidence: error.evidence && evidenceToMessage(error.evidence),
  };
}

function evidenceToMessage({
  lostClaims,
  logLines,
}: QuarantineEvidence): MessageInitShape<typeof QuarantineEvidenceSchema> {
  const last = lostClaims.at(-1);
  return {
    stage: last?.stage ?? "",
    stageMessage: last?.stageMessage ?? "",
    peakMemoryBytes: BigInt(Math.max(0, ...lostClaims.map((claim) => claim.peakMemoryBytes ?? 0))),
    lostClaims: lostClaims.map(lostClaimToMessage),
    logLines: [...logLines],
  };
}

function lostClaimToMessage(claim: LostClaim): MessageInitShape<typeof LostClaimSchema> {
  return {
    workerId: claim.workerId,
    stage: claim.stage ?? "",
    stageMessage: claim.stageMessage ?? "",
    peakMemoryBytes: BigInt(claim.peakMemoryBytes ?? 0),
    lastHeartbeatTime: timestampOf(claim.lastHeartbeatTime ? new Date(claim.lastHeartbeatTime) : null),
  };
}

export function documentToMessage(document: Document): MessageInitShape<typeof DocumentSchema> {
  return {
    id: document.id,
    filename: document.filename,
    mediaType: document.mediaType,
    sizeBytes: BigInt(document.sizeBytes),
    sha256: document.sha256 ?? "",
    source: SOURCE[document.source],
    uri: document.uri,
    status: document.sha256 === null ? DocumentStatus.PENDING : DocumentStatus.READY,
    createdBy: document.ownerId,
    createTime: timestampOf(document.createTime),
    expireTime: timestampOf(document.expireTime),
  };
}

/** A job as lists show it. */
export function jobToMessage(job: Job, document: Document | null) {
  return {
    id: job.id,
    status: STATUS[job.status],
    priority: PRIORITY[job.priority],
    pipelineId: job.pipelineId,
    pipelineName: job.pipelineName,
    pipelineVersion: job.pipelineVersion,
    document: document ? documentToMessage(document) : undefined,
    labels: job.labels,
    progress: {
      percent: percentDone(job),
      stage: job.status === "PROCESSING" || job.status === "CANCELLING" ? (job.stage ?? "") : "",
      stagesDone: job.stagesDone,
      stagesTotal: job.stagesTotal,
      message: job.stageMessage,
    },
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
    error: errorToMessage(job.error),
    createdBy: job.ownerId,
    createTime: timestampOf(job.createTime),
    updateTime: timestampOf(job.updateTime),
    runTime: timestampOf(job.runTime),
    startTime: timestampOf(job.startTime),
    endTime: timestampOf(job.endTime),
    expireTime: timestampOf(job.expireTime),
    workerId: job.workerId ?? "",
    version: job.version,
    timeout: job.timeoutMs === null ? undefined : durationOf(job.timeoutMs),
    requestId: job.requestId,
    concurrencyKey: job.concurrencyKey,
    concurrencyLimit: job.concurrencyKey ? job.concurrencyLimit : 0,
    peakMemoryBytes: BigInt(job.peakMemoryBytes ?? 0),
  };
}

function stageToMessage(stage: JobStage) {
  return {
    name: stage.name,
    type: stage.type,
    status: STAGE_STATUS[stage.status],
    attempt: stage.attempt,
    startTime: timestampOf(stage.startTime),
    endTime: timestampOf(stage.endTime),
    error: errorToMessage(stage.error),
    fromCheckpoint: stage.fromCheckpoint,
  };
}

/** The stages of a pipeline as a message; pipelines know how. */
export type SnapshotToMessage = (stages: readonly StageConfig[]) => PipelineConfig;

/** A job with its stages, its snapshot and, while it waits, why. */
export function detailsToMessage(
  details: JobDetails,
  snapshotToMessage: SnapshotToMessage,
): MessageInitShape<typeof JobSchema> {
  const { waiting } = details;
  return {
    ...jobToMessage(details.job, details.document),
    parameters: details.job.parameters as JsonObject,
    pipelineSnapshot: snapshotToMessage(details.snapshot.stages),
    stages: details.stages.map(stageToMessage),
    waiting: waiting
      ? {
          reason: WAITING[waiting.reason],
          position: waiting.position,
          message: waiting.message,
          estimatedStartTime: timestampOf(waiting.estimatedStartTime),
        }
      : undefined,
  };
}

export function eventToMessage(event: LoggedEvent): JobEvent {
  const body = { type: event.type, ...(event.payload as object) } as JobEventBody;
  return create(JobEventSchema, {
    sequence: event.sequence,
    jobId: event.jobId,
    time: timestampOf(event.time),
    event: bodyCase(body),
  });
}

function bodyCase(body: JobEventBody) {
  switch (body.type) {
    case "status_changed":
      return {
        case: "statusChanged" as const,
        value: {
          status: STATUS[body.status],
          previousStatus: body.previousStatus ? STATUS[body.previousStatus] : WireStatus.UNSPECIFIED,
          attempt: body.attempt,
          error: errorToMessage(body.error ?? null),
          runTime: body.runTime ? timestampOf(new Date(body.runTime)) : undefined,
          lostClaim: body.lostClaim && lostClaimToMessage(body.lostClaim),
        },
      };
    case "stage_started":
      return {
        case: "stageStarted" as const,
        value: {
          name: body.name,
          type: body.stageType,
          index: body.index,
          stagesTotal: body.stagesTotal,
          attempt: body.attempt,
        },
      };
    case "stage_progress":
      return {
        case: "stageProgress" as const,
        value: {
          name: body.name,
          percent: body.percent,
          jobPercent: body.jobPercent,
          message: body.message ?? "",
        },
      };
    case "stage_finished":
      return {
        case: "stageFinished" as const,
        value: {
          name: body.name,
          type: body.stageType,
          index: body.index,
          status: STAGE_STATUS[body.status],
          error: errorToMessage(body.error ?? null),
          duration: durationOf(body.durationMs),
          fromCheckpoint: body.fromCheckpoint,
        },
      };
    case "log":
      return {
        case: "log" as const,
        value: {
          level: body.level === "warn" ? LogLevel.WARN : LogLevel.INFO,
          message: body.message,
          stage: body.stage ?? "",
        },
      };
  }
}

export function resultToMessage(
  result: JobResult,
  download: { url: string; expireTime: Date } | null,
): MessageInitShape<typeof JobResultSchema> {
  return {
    jobId: result.jobId,
    extractedText: result.extractedText ?? "",
    resultMetadata: result.metadata as JsonObject,
    ...(result.qualityScore === null ? {} : { qualityScore: result.qualityScore }),
    processingTimeMs: BigInt(result.processingTimeMs),
    outputUri: result.outputUri ?? "",
    downloadUrl: download?.url ?? "",
    downloadExpireTime: timestampOf(download?.expireTime ?? null),
    sizeBytes: BigInt(result.sizeBytes),
    sha256: result.sha256,
    createTime: timestampOf(result.createTime),
    expireTime: timestampOf(result.expireTime),
  };
}
