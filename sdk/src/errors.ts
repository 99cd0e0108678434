import type { ErrorReason, Job } from "./types.ts";

/** Reasons that the server gives: the names of `sluice.v1.ErrorReason`. */
export type ServerReason = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

/**
 * Reasons that arise on this side:
 * - `CANCELLED`: the caller's `AbortSignal` fired;
 * - `UNREACHABLE`: nothing answers at the address;
 * - `CONNECTION_LOST`: the connection broke in the middle of a call;
 * - `JOB_CANCELLED`: the job that was waited for was cancelled;
 * - `UPLOAD_FAILED`: the PUT of a document was refused;
 * - `UNKNOWN`: an answer without a reason that this version knows; `metadata.reason` has it if there is one.
 */
export type ClientReason =
  | "CANCELLED"
  | "UNREACHABLE"
  | "CONNECTION_LOST"
  | "JOB_CANCELLED"
  | "UPLOAD_FAILED"
  | "UNKNOWN";

/** Every reason that a `SluiceError` can have. */
export type SluiceReason = ServerReason | ClientReason;

/** gRPC codes, as Connect spells them. */
export type SluiceCode =
  | "canceled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data_loss"
  | "unauthenticated";

/** What a `SluiceError` carries beside its message. */
export interface SluiceErrorInit {
  readonly code: SluiceCode;
  readonly reason: SluiceReason;
  readonly message: string;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly fields?: readonly { readonly field: string; readonly description: string }[] | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly resource?: { readonly type: string; readonly name: string } | undefined;
  readonly quota?: { readonly subject: string; readonly description: string } | undefined;
  readonly cause?: unknown;
}

/** Every failure of the SDK. `reason` is a closed union, so a `switch` over it can be checked for completeness. */
export class SluiceError extends Error {
  override name = "SluiceError";
  readonly code: SluiceCode;
  readonly reason: SluiceReason;
  /** Every changing part of the message, by name. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The faults of the request, all of them at once; empty if it is not about the request. */
  readonly fields: readonly { readonly field: string; readonly description: string }[];
  /** When the same call may be tried again, in milliseconds, if the server said so. */
  readonly retryAfterMs: number | undefined;
  /** What was not found. */
  readonly resource: { readonly type: string; readonly name: string } | undefined;
  /** The quota that is used up. */
  readonly quota: { readonly subject: string; readonly description: string } | undefined;

  constructor(init: SluiceErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = init.code;
    this.reason = init.reason;
    this.metadata = init.metadata ?? {};
    this.fields = init.fields ?? [];
    this.retryAfterMs = init.retryAfterMs;
    this.resource = init.resource;
    this.quota = init.quota;
  }
}

/** The job that was waited for ended FAILED or CANCELLED. `reason` is the job's own, or `JOB_CANCELLED`. */
export class JobFailedError extends SluiceError {
  override name = "JobFailedError";
  /** The job as it ended. */
  readonly job: Job;

  constructor(job: Job, init: Pick<SluiceErrorInit, "reason" | "message" | "metadata">) {
    super({ code: "failed_precondition", ...init });
    this.job = job;
  }
}
