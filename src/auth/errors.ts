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

export class PermissionTooWideError extends SluiceError {
  override name = "PermissionTooWideError";
  readonly kind = "permission_denied";
  readonly reason = "PERMISSION_TOO_WIDE";
  constructor(what: string, metadata: Readonly<Record<string, string>>) {
    super(`Nobody can give more than they hold: ${what}.`, metadata);
  }
}

/** The user or role holds more than the caller, so only someone who holds as much may change it. */
export class HoldsMoreError extends SluiceError {
  override name = "HoldsMoreError";
  readonly kind = "permission_denied";
  readonly reason = "PERMISSION_TOO_WIDE";
  constructor(what: string, more: readonly string[]) {
    super(
      `${what} holds permissions that this credential does not (${someOf(more)}): only someone who holds them can change it.`,
      { permissions: more.join(",") },
    );
  }
}

export class ApiKeyNotFoundError extends SluiceError {
  override name = "ApiKeyNotFoundError";
  readonly kind = "not_found";
  readonly reason = "API_KEY_NOT_FOUND";
  constructor(id: string) {
    super(
      `No API key has the id ${id}, or it is not yours.`,
      { api_key_id: id },
      { resource: { type: "api_key", name: id } },
    );
  }
}

export class UserNotFoundError extends SluiceError {
  override name = "UserNotFoundError";
  readonly kind = "not_found";
  readonly reason = "USER_NOT_FOUND";
  constructor(user: string) {
    super(`There is no user ${user}.`, { user }, { resource: { type: "user", name: user } });
  }
}

/** The user or role is not at the version any more that the caller has seen. */
export class VersionConflictError extends SluiceError {
  override name = "VersionConflictError";
  readonly kind = "aborted";
  readonly reason = "VERSION_CONFLICT";
  constructor(what: "User" | "Role", name: string, expected: number, actual: number) {
    super(
      `${what} ${name} is at version ${actual} by now, not ${expected}. Read it again, and make the change on that.`,
      { [what.toLowerCase()]: name, expected_version: String(expected), version: String(actual) },
    );
  }
}

/** Nobody would be left who can log in and has the role `admin`. */
export class LastAdminError extends SluiceError {
  override name = "LastAdminError";
  readonly kind = "failed_precondition";
  readonly reason = "LAST_ADMIN";
  constructor(email: string) {
    super(
      `${email} can neither be disabled nor lose the role admin: no other active person has it, and nobody could administer the service any more. Give another user that role first.`,
      { user: email },
    );
  }
}

export class NoPasswordError extends SluiceError {
  override name = "NoPasswordError";
  readonly kind = "permission_denied";
  readonly reason = "NO_PASSWORD";
  constructor(email: string) {
    super(`${email} is a service account, which has no password; it calls with API keys.`, { user: email });
  }
}

export class NotAServiceAccountError extends SluiceError {
  override name = "NotAServiceAccountError";
  readonly kind = "permission_denied";
  readonly reason = "NOT_A_SERVICE_ACCOUNT";
  constructor(email: string) {
    super(
      `${email} is a person and makes their own API keys; you can make keys for yourself and for service accounts.`,
      { user: email },
    );
  }
}

export class UserExistsError extends SluiceError {
  override name = "UserExistsError";
  readonly kind = "already_exists";
  readonly reason = "USER_EXISTS";
  constructor(email: string) {
    super(`A user with the e-mail address ${email} exists already.`, { email });
  }
}

export class RoleNotFoundError extends SluiceError {
  override name = "RoleNotFoundError";
  readonly kind = "not_found";
  readonly reason = "ROLE_NOT_FOUND";
  constructor(role: string) {
    super(`There is no role ${role}.`, { role }, { resource: { type: "role", name: role } });
  }
}

export class RoleExistsError extends SluiceError {
  override name = "RoleExistsError";
  readonly kind = "already_exists";
  readonly reason = "ROLE_EXISTS";
  constructor(role: string) {
    super(`A role ${role} exists already.`, { role });
  }
}

/** There are as many custom roles as there may be. */
export class TooManyRolesError extends SluiceError {
  override name = "TooManyRolesError";
  readonly kind = "resource_exhausted";
  readonly reason = "QUOTA_EXCEEDED";
  constructor(limit: number) {
    super(
      `There are ${limit} roles beside the built-in ones, the most there may be. Delete one that nobody has, or change one.`,
      { quota: "roles", limit: String(limit) },
      { quota: { subject: "roles", description: `at most ${limit} beside the built-in ones` } },
    );
  }
}

export class RoleBuiltinError extends SluiceError {
  override name = "RoleBuiltinError";
  readonly kind = "failed_precondition";
  readonly reason = "ROLE_IN_USE";
  constructor(role: string) {
    super(`The role ${role} is part of the program and cannot be changed; create one of your own.`, { role });
  }
}

export class RoleInUseError extends SluiceError {
  override name = "RoleInUseError";
  readonly kind = "failed_precondition";
  readonly reason = "ROLE_IN_USE";
  constructor(role: string, users: number) {
    super(
      `${users === 1 ? "One user has" : `${users} users have`} the role ${role}, disabled ones count too. Take it from them first.`,
      { role, users: String(users) },
    );
  }
}

/** The operator has given the role to users of an external issuer. */
export class RoleMappedError extends SluiceError {
  override name = "RoleMappedError";
  readonly kind = "failed_precondition";
  readonly reason = "ROLE_IN_USE";
  constructor(role: string, issuer: string) {
    super(
      `Tokens of ${issuer} give the role ${role}. Have the operator take it out of SLUICE_OIDC_ISSUERS first.`,
      { role, issuer },
    );
  }
}

export class RequestIdReusedError extends SluiceError {
  override name = "RequestIdReusedError";
  readonly kind = "already_exists";
  readonly reason = "REQUEST_ID_REUSED";
  constructor(requestId: string) {
    super(`The request_id ${requestId} was used for another request within 24 hours. Use a new one.`, {
      request_id: requestId,
    });
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

const SHOWN = 5;

/** The first five, and how many more there are. */
function someOf(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return `${names.slice(0, SHOWN).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
