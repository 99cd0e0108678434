import { SluiceError } from "../lib/errors.ts";

/** Neither database nor spill takes rows, so that a change would leave no trace that is safe. */
export class AuditUnavailableError extends SluiceError {
  override name = "AuditUnavailableError";
  readonly kind = "unavailable";
  readonly reason = "AUDIT_UNAVAILABLE";
  constructor() {
    super(
      "Changes are refused while the audit log can be written neither to the database nor to the data folder; reads go on. Try again in a moment, or tell the operator.",
      {},
      { retryAfterMs: 1_000 },
    );
  }
}

/** The file is no NDJSON export of an audit log. */
export class NoArchiveError extends SluiceError {
  override name = "NoArchiveError";
  readonly kind = "invalid_argument";
  readonly reason = "INVALID_REQUEST";
  constructor(path: string) {
    super(`${path} is no export of an audit log; \`sluice audit export --format ndjson\` makes one.`, {
      path,
    });
  }
}

/** The file holds no public key that could have signed an audit log. */
export class NoKeyError extends SluiceError {
  override name = "NoKeyError";
  readonly kind = "invalid_argument";
  readonly reason = "INVALID_REQUEST";
  constructor(path: string) {
    super(`${path} holds no Ed25519 public key in PEM; \`sluice audit key\` prints that of a server.`, {
      path,
    });
  }
}
