import { SluiceError } from "../lib/errors.ts";

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
