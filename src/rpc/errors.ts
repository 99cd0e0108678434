import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import { isConnectionLoss } from "../db/sql.ts";
import { type ErrorExtras, type ErrorKind, type FieldFault, SluiceError } from "../lib/errors.ts";

const DOMAIN = "sluice";
/** Details travel in HTTP headers, of which some clients take no more than 8 KiB in all. */
const MAX_FAULT_BYTES = 3_500;
const MAX_MESSAGE_CHARS = 1_000;
const MAX_METADATA_CHARS = 256;

const CODES: Record<ErrorKind, Code> = {
  invalid_argument: Code.InvalidArgument,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  permission_denied: Code.PermissionDenied,
  unauthenticated: Code.Unauthenticated,
  failed_precondition: Code.FailedPrecondition,
  resource_exhausted: Code.ResourceExhausted,
  aborted: Code.Aborted,
  out_of_range: Code.OutOfRange,
  unimplemented: Code.Unimplemented,
  unavailable: Code.Unavailable,
  deadline_exceeded: Code.DeadlineExceeded,
  internal: Code.Internal,
};

export interface Failure {
  readonly code: Code;
  readonly reason: string;
  readonly message: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly extras?: ErrorExtras;
}

export interface ErrorScope {
  readonly requestId: string;
  /** Called with what reaches the caller only as "internal error". */
  readonly onUnexpected: (error: unknown) => void;
  /** Called with the loss of the database, which the caller gets told and nobody has to look for. */
  readonly onDatabaseLost: (error: unknown) => void;
}

/**
 * What the caller gets for a throw: the code of its kind, `ErrorInfo` and the details its extras ask for.
 * Nothing of an unexpected throw reaches the caller but the request id.
 */
export function toConnectError(error: unknown, scope: ErrorScope): ConnectError {
  if (error instanceof ConnectError) return explain(error, scope);
  if (error instanceof SluiceError) return fromSluiceError(error);
  if (isConnectionLoss(error)) {
    scope.onDatabaseLost(error);
    return failure({
      code: Code.Unavailable,
      reason: "DATABASE_UNAVAILABLE",
      message:
        "The database did not answer, so the call may or may not have taken effect. Try again in a moment, with the same request_id if it has one.",
      extras: { retryAfterMs: 1_000 },
    });
  }
  if (error instanceof Error && error.name === "AbortError")
    return new ConnectError("canceled", Code.Canceled);
  scope.onUnexpected(error);
  return internal(scope.requestId);
}

/** An error of ours as it goes out. */
export function fromSluiceError({ kind, reason, message, metadata, extras }: SluiceError): ConnectError {
  return failure({ code: CODES[kind], reason, message, metadata, extras });
}

/** A ConnectError with its details. */
export function failure({ code, reason, message, metadata = {}, extras = {} }: Failure): ConnectError {
  const details: { desc: never; value: never }[] = [];
  const add = (desc: unknown, value: unknown) => details.push({ desc: desc as never, value: value as never });
  const shortened = Object.entries(metadata).map(([key, value]) => [key, short(value, MAX_METADATA_CHARS)]);
  add(ErrorInfoSchema, { reason, domain: DOMAIN, metadata: Object.fromEntries(shortened) });
  const { retryAfterMs, fields, resource, quota } = extras;
  const headers = new Headers();
  if (retryAfterMs !== undefined) {
    const ms = Math.max(0, Math.round(retryAfterMs));
    const retryDelay = { seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1_000_000 };
    add(RetryInfoSchema, { retryDelay });
    headers.set("retry-after", String(Math.ceil(ms / 1_000)));
  }
  if (fields) add(BadRequestSchema, { fieldViolations: fitting(fields) });
  if (resource)
    add(ResourceInfoSchema, { resourceType: resource.type, resourceName: short(resource.name, 256) });
  if (quota) add(QuotaFailureSchema, { violations: [quota] });
  const { stackTraceLimit } = Error;
  try {
    // Nobody reads where an answer was made, and finding out is a good part of what a refusal costs.
    Error.stackTraceLimit = 0;
    return new ConnectError(short(message, MAX_MESSAGE_CHARS), code, headers, details);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Cut to a length, and never in the middle of a character: neither protobuf nor a header takes half a one. */
function short(text: string, maxChars: number): string {
  return (text.length > maxChars ? `${text.slice(0, maxChars - 1)}…` : text).toWellFormed();
}

/** As many faults as fit into the headers of an answer; the last entry counts the others. */
function fitting(faults: readonly FieldFault[]): FieldFault[] {
  const kept: FieldFault[] = [];
  let bytes = 0;
  for (const { field, description } of faults) {
    const fault = { field: short(field, 200), description: short(description, 300) };
    bytes += Buffer.byteLength(fault.field) + Buffer.byteLength(fault.description) + 8;
    if (bytes > MAX_FAULT_BYTES) {
      return [...kept, { field: "", description: `${faults.length - kept.length} further faults` }];
    }
    kept.push(fault);
  }
  return kept;
}

function internal(requestId: string): ConnectError {
  return failure({
    code: Code.Internal,
    reason: "INTERNAL",
    message: `internal error (request id ${requestId})`,
    metadata: { request_id: requestId },
  });
}

/**
 * Gives an error that Connect itself has made (size, form, compression, deadline) a reason and a sentence.
 * It works in place, since Connect answers with the object it has thrown.
 */
export function explain(error: ConnectError, scope: ErrorScope): ConnectError {
  if (error.details.length > 0) return error;
  const better = explanation(error, scope);
  if (better) {
    const { code, rawMessage, message, details } = better;
    Object.assign(error, { code, rawMessage, message, details });
    for (const [name, value] of better.metadata) error.metadata.set(name, value);
  }
  return error;
}

function explanation(error: ConnectError, scope: ErrorScope): ConnectError | undefined {
  const { code, rawMessage } = error;
  const limit = /larger than configured readMaxBytes (\d+)/.exec(rawMessage)?.[1];
  if (limit !== undefined) {
    return failure({
      code: Code.ResourceExhausted,
      reason: "MESSAGE_TOO_LARGE",
      message: `The request is larger than ${limit} bytes; send large documents with UploadDocument or CreateUpload.`,
      metadata: { limit_bytes: limit },
    });
  }
  const malformed = code === Code.InvalidArgument || rawMessage.startsWith("parse binary:");
  if (malformed || rawMessage === "decompression failed") {
    const field = /key "([^"]{1,100})" is unknown/.exec(rawMessage)?.[1] ?? "";
    const description = rawMessage.replace(/^protocol error: /, "");
    return failure({
      code: Code.InvalidArgument,
      reason: "INVALID_REQUEST",
      message: `The request cannot be read: ${description}`,
      extras: { fields: [{ field, description }] },
    });
  }
  if (code === Code.DeadlineExceeded) {
    return failure({
      code,
      reason: "DEADLINE_EXCEEDED",
      message: "The deadline passed before the answer was ready.",
    });
  }
  if (code === Code.Unimplemented) return failure({ code, reason: "UNIMPLEMENTED", message: rawMessage });
  if (isReset(error)) return undefined;
  if (code === Code.Internal || code === Code.Unknown) {
    scope.onUnexpected(error);
    return internal(scope.requestId);
  }
  return undefined;
}

/** True if the error only says that the client has left: nobody waits for an answer. */
export function isReset(error: unknown): boolean {
  if (!(error instanceof ConnectError)) return error instanceof Error && error.name === "AbortError";
  return error.code === Code.Canceled || error.rawMessage.startsWith("http/2 stream closed with");
}
