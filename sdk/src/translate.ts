import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import { type SluiceCode, SluiceError, type SluiceReason } from "./errors.ts";
import { ErrorReasonSchema, type Job } from "./types.ts";

const REASONS: ReadonlySet<string> = new Set(
  ErrorReasonSchema.values.filter((value) => value.number !== 0).map((value) => value.localName),
);

const CODES: Readonly<Record<Code, SluiceCode>> = {
  [Code.Canceled]: "canceled",
  [Code.Unknown]: "unknown",
  [Code.InvalidArgument]: "invalid_argument",
  [Code.DeadlineExceeded]: "deadline_exceeded",
  [Code.NotFound]: "not_found",
  [Code.AlreadyExists]: "already_exists",
  [Code.PermissionDenied]: "permission_denied",
  [Code.ResourceExhausted]: "resource_exhausted",
  [Code.FailedPrecondition]: "failed_precondition",
  [Code.Aborted]: "aborted",
  [Code.OutOfRange]: "out_of_range",
  [Code.Unimplemented]: "unimplemented",
  [Code.Internal]: "internal",
  [Code.Unavailable]: "unavailable",
  [Code.DataLoss]: "data_loss",
  [Code.Unauthenticated]: "unauthenticated",
};

const NOT_THERE = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
]);
const LOST =
  /ECONNRESET|EPIPE|ETIMEDOUT|ECONNABORTED|UND_ERR_SOCKET|ERR_STREAM_|ERR_HTTP2_|ERR_SSL_|NGHTTP2_|http\/2|socket hang up|terminated|premature|missing EndStream|fetch failed|Failed to fetch|NetworkError|Load failed|network error|connection/i;

/** The reason if this version knows it, else `UNKNOWN`. */
export function reasonOf(name: string): SluiceReason {
  return REASONS.has(name) ? (name as SluiceReason) : "UNKNOWN";
}

/** What failed the job, as an error's reason and sentence. */
export function failureOf(job: Job): {
  reason: SluiceReason;
  message: string;
  metadata: Record<string, string>;
} {
  const known = reasonOf(job.error?.reason ?? "");
  const extra = known === "UNKNOWN" && job.error?.reason ? { reason: job.error.reason } : {};
  return {
    reason: known,
    message: job.error?.message || `Job ${job.id} failed.`,
    metadata: { ...extra, job_id: job.id },
  };
}

/**
 * Turns whatever a call threw into a `SluiceError`. `signal` is the caller's own: when it has fired, the failure
 * is `CANCELLED`, whatever it looks like on the wire.
 */
export function toSluiceError(error: unknown, signal?: AbortSignal | undefined): SluiceError {
  if (error instanceof SluiceError) return error;
  if (signal?.aborted) {
    return new SluiceError({
      code: "canceled",
      reason: "CANCELLED",
      message: "The call was cancelled by its caller.",
      cause: signal.reason,
    });
  }
  const wire = ConnectError.from(error);
  const info = wire.findDetails(ErrorInfoSchema)[0];
  return info ? fromServer(wire, info.reason, info.metadata) : fromTransport(wire, error);
}

function fromServer(wire: ConnectError, reason: string, metadata: Record<string, string>): SluiceError {
  const known = reasonOf(reason);
  const delay = wire.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const resource = wire.findDetails(ResourceInfoSchema)[0];
  const quota = wire.findDetails(QuotaFailureSchema)[0]?.violations[0];
  return new SluiceError({
    code: CODES[wire.code],
    reason: known,
    message: wire.rawMessage,
    metadata: known === "UNKNOWN" ? { ...metadata, reason } : metadata,
    fields: wire.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field, description }) => ({
      field,
      description,
    })),
    retryAfterMs: delay && Math.max(0, Number(delay.seconds) * 1000 + delay.nanos / 1e6),
    resource: resource && { type: resource.resourceType, name: resource.resourceName },
    quota: quota && { subject: quota.subject, description: quota.description },
    cause: wire,
  });
}

/** A failure that no Sluice handler made: every error of theirs carries `ErrorInfo`. */
function fromTransport(wire: ConnectError, cause: unknown): SluiceError {
  const trail = trailOf(wire);
  const failure = (code: SluiceCode, reason: SluiceReason, message: string) =>
    new SluiceError({ code, reason, message, cause });
  if (wire.code === Code.DeadlineExceeded) {
    return failure(
      "deadline_exceeded",
      "DEADLINE_EXCEEDED",
      "The server did not answer within the deadline.",
    );
  }
  if (wire.code === Code.ResourceExhausted && /MaxBytes/.test(wire.rawMessage)) {
    return failure(
      "resource_exhausted",
      "MESSAGE_TOO_LARGE",
      "The message is larger than the limit; upload the document instead.",
    );
  }
  if (trail.some(({ code }) => NOT_THERE.has(code))) {
    return failure("unavailable", "UNREACHABLE", `The server cannot be reached: ${wire.rawMessage}.`);
  }
  const lost =
    wire.code === Code.Unavailable ||
    wire.code === Code.Aborted ||
    wire.code === Code.Canceled ||
    trail.some(({ code, message }) => LOST.test(code) || LOST.test(message));
  if (lost) {
    return failure(
      "unavailable",
      "CONNECTION_LOST",
      `The connection to the server broke: ${wire.rawMessage}.`,
    );
  }
  const message =
    wire.code === Code.Unimplemented
      ? "What answers at this address does not know this call; is it a Sluice server?"
      : wire.rawMessage || `The call failed with ${CODES[wire.code]}.`;
  return failure(
    CODES[wire.code],
    wire.code === Code.Unauthenticated ? "UNAUTHENTICATED" : "UNKNOWN",
    message,
  );
}

/** Codes and messages of an error and its causes, at most eight of them. */
function trailOf(error: unknown): { code: string; message: string }[] {
  const trail: { code: string; message: string }[] = [];
  for (let at = error; at instanceof Error && trail.length < 8; at = at.cause) {
    const code = "code" in at && typeof at.code === "string" ? at.code : "";
    trail.push({ code, message: at instanceof ConnectError ? at.rawMessage : at.message });
    if (at instanceof AggregateError) trail.push(...at.errors.slice(0, 4).flatMap(trailOf));
  }
  return trail;
}
