import { SluiceError } from "../lib/errors.ts";

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
      `${email} can neither be disabled nor lose the role admin: nobody else who can log in has it, and nobody could administer the service any more. Give another user that role first.`,
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

const SHOWN = 5;

/** The first five, and how many more there are. */
function someOf(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return `${names.slice(0, SHOWN).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
