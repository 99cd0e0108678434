import { SluiceError } from "../lib/errors.ts";

/** The request carries no credential. */
export class UnauthenticatedError extends SluiceError {
  override name = "UnauthenticatedError";
  readonly kind = "unauthenticated";
  readonly reason = "UNAUTHENTICATED";
  constructor() {
    super("This call needs a credential: send `authorization: Bearer …` with an access token or an API key.");
  }
}

/** The credential is malformed, unknown, revoked, or of a disabled user: callers do not learn which. */
export class CredentialInvalidError extends SluiceError {
  override name = "CredentialInvalidError";
  readonly kind = "unauthenticated";
  readonly reason = "CREDENTIAL_INVALID";
  constructor() {
    super("The credential is not valid, or no longer. Log in again, or use another API key.");
  }
}

export class CredentialExpiredError extends SluiceError {
  override name = "CredentialExpiredError";
  readonly kind = "unauthenticated";
  readonly reason = "CREDENTIAL_EXPIRED";
  constructor() {
    super("The credential has expired. Refresh the access token, or create a new API key.");
  }
}

export class CredentialsConflictError extends SluiceError {
  override name = "CredentialsConflictError";
  readonly kind = "unauthenticated";
  readonly reason = "CREDENTIALS_CONFLICT";
  constructor() {
    super("The call carries more than one credential; send exactly one authorization or x-api-key header.");
  }
}

/** A token of an external issuer is good, and no role follows from it. */
export class RolesMissingError extends SluiceError {
  override name = "RolesMissingError";
  readonly kind = "permission_denied";
  readonly reason = "PERMISSION_DENIED";
  constructor(issuer: string, claim: string) {
    super(
      `The token is good, but its claim ${claim} gives no role here. Have ${issuer} put you into a group that the operator of this server has given a role.`,
      { issuer, claim },
    );
  }
}

/** The list of external issuers does not go with this installation. */
export class IssuerRefusedError extends SluiceError {
  override name = "IssuerRefusedError";
  readonly kind = "invalid_argument";
  readonly reason = "CONFIG_INVALID";
  constructor(faults: readonly string[]) {
    super(`SLUICE_OIDC_ISSUERS is not valid:\n${faults.map((fault) => `  ${fault}`).join("\n")}`);
  }
}

/** The keys of an external issuer cannot be had, so its tokens can be neither taken nor refused. */
export class IssuerUnavailableError extends SluiceError {
  override name = "IssuerUnavailableError";
  readonly kind = "unavailable";
  readonly reason = "ISSUER_UNAVAILABLE";
  constructor(issuer: string, retryAfterMs: number, cause?: unknown) {
    super(
      `The keys of ${issuer} cannot be fetched, so its tokens cannot be checked now. Try again in a moment.`,
      { issuer },
      { retryAfterMs, cause },
    );
  }
}

export class LoginFailedError extends SluiceError {
  override name = "LoginFailedError";
  readonly kind = "unauthenticated";
  readonly reason = "LOGIN_FAILED";
  constructor() {
    super("E-mail address or password is wrong.");
  }
}

export class LoginThrottledError extends SluiceError {
  override name = "LoginThrottledError";
  readonly kind = "resource_exhausted";
  readonly reason = "LOGIN_THROTTLED";
  constructor(retryAfterMs: number) {
    const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    super(
      `Too many failed logins. Try again in ${seconds} s.`,
      { retry_after_seconds: String(seconds) },
      { retryAfterMs: seconds * 1000 },
    );
  }
}

/** More passwords wait to be checked than the processor can do soon. */
export class PasswordsBusyError extends SluiceError {
  override name = "PasswordsBusyError";
  readonly kind = "resource_exhausted";
  readonly reason = "RATE_LIMITED";
  constructor() {
    super("Too many logins at once. Try again in a second.", {}, { retryAfterMs: 1000 });
  }
}

export class RefreshTokenInvalidError extends SluiceError {
  override name = "RefreshTokenInvalidError";
  readonly kind = "unauthenticated";
  readonly reason = "REFRESH_TOKEN_INVALID";
  constructor() {
    super("The refresh token is not valid, or no longer. Log in again.");
  }
}

export class RefreshTokenReusedError extends SluiceError {
  override name = "RefreshTokenReusedError";
  readonly kind = "unauthenticated";
  readonly reason = "REFRESH_TOKEN_REUSED";
  constructor() {
    super(
      "The refresh token was used before, so its session was ended: someone else may have had it. Log in again.",
    );
  }
}

/** The master key is not the one that the database's secrets were encrypted with. */
export class MasterKeyMismatchError extends SluiceError {
  override name = "MasterKeyMismatchError";
  readonly kind = "failed_precondition";
  readonly reason = "MASTER_KEY_MISMATCH";
  constructor() {
    super(
      "The secrets in the database were encrypted with another master key. Restore `<data dir>/master-key` (or SLUICE_MASTER_KEY) as it was when this database was set up.",
    );
  }
}

/** The command has to open or make secrets, and this machine does not have the key that they are encrypted with. */
export class MasterKeyMissingError extends SluiceError {
  override name = "MasterKeyMissingError";
  readonly kind = "failed_precondition";
  readonly reason = "MASTER_KEY_MISSING";
  constructor(dataDir: string) {
    super(
      `There is no master key in ${dataDir}. Run this on the machine of a server, with its settings: SLUICE_DATA_DIR, or SLUICE_MASTER_KEY.`,
      { data_dir: dataDir },
    );
  }
}

/** The key that would sign next is not known to all who check tokens yet. */
export class SigningKeyTooNewError extends SluiceError {
  override name = "SigningKeyTooNewError";
  readonly kind = "failed_precondition";
  readonly reason = "SIGNING_KEY_TOO_NEW";
  constructor(waitMs: number) {
    const seconds = Math.ceil(waitMs / 1000);
    super(
      `The next signing key was made a moment ago, and whoever checks tokens may not know it yet. Rotate in ${seconds} s, or with --compromised if the keys of now must not be trusted any more.`,
      { wait_seconds: String(seconds) },
      { retryAfterMs: waitMs },
    );
  }
}

/** A secret file of the data folder cannot be read or does not hold what it should. */
export class SecretFileError extends SluiceError {
  override name = "SecretFileError";
  readonly kind = "failed_precondition";
  readonly reason = "SECRET_FILE_UNUSABLE";
  constructor(path: string, problem: string, cause?: unknown) {
    super(`${path} ${problem}`, { path }, { cause });
  }
}
