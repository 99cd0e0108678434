/** What kind of failure it is; the rpc edge maps each kind to one gRPC code. */
export type ErrorKind =
  | "invalid_argument"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "unauthenticated"
  | "failed_precondition"
  | "resource_exhausted"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "unavailable"
  | "deadline_exceeded"
  | "internal";

/** One fault of one request field; `field` is a path in proto names, as in `source.inline.data`. */
export interface FieldFault {
  readonly field: string;
  readonly description: string;
}

/** Machine-readable extras an error may carry to the caller. */
export interface ErrorExtras {
  /** When the same call may be tried again, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The faults of the request, all of them at once. */
  readonly fields?: readonly FieldFault[];
  /** The resource that was not found, e.g. `{ type: "job", name: "0198…" }`. */
  readonly resource?: { readonly type: string; readonly name: string };
  /** The quota that was exceeded. */
  readonly quota?: { readonly subject: string; readonly description: string };
  readonly cause?: unknown;
}

/**
 * Base of every failure that a caller may see. The message is written for people: what happened and what
 * to do. Every changing part of the message also stands in `metadata`. An error that does not extend this
 * class reaches callers as INTERNAL, without its message.
 */
export abstract class SluiceError extends Error {
  abstract readonly kind: ErrorKind;
  /** A value of `sluice.v1.ErrorReason` without its prefix, e.g. `JOB_NOT_FOUND`. */
  abstract readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly extras: ErrorExtras;

  constructor(message: string, metadata: Readonly<Record<string, string>> = {}, extras: ErrorExtras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.metadata = metadata;
    this.extras = extras;
  }
}

/** The request breaks its rules; `fields` names every fault. */
export class InvalidRequestError extends SluiceError {
  override name = "InvalidRequestError";
  readonly kind = "invalid_argument";
  readonly reason = "INVALID_REQUEST";
  constructor(fields: readonly FieldFault[]) {
    super(
      `The request is not valid: ${fields.map((f) => (f.field ? `${f.field}: ${f.description}` : f.description)).join("; ")}`,
      {},
      { fields },
    );
  }
}

export class PermissionDeniedError extends SluiceError {
  override name = "PermissionDeniedError";
  readonly kind = "permission_denied";
  readonly reason = "PERMISSION_DENIED";
  constructor(permission: string) {
    super(`This needs the permission ${permission}, which the credential does not have.`, { permission });
  }
}

/** The sentence of an unknown throw, for logs. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
