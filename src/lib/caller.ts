import type { Trail } from "./trail.ts";

/** Who calls: built by the gate from the credential, passed first to every service verb. */
export interface Caller {
  readonly userId: string;
  readonly email: string;
  readonly credential: "jwt" | "api_key" | "external" | "none";
  /** Session id (JWT), key id (API key) or `jti` (external token); never the secret. */
  readonly credentialId: string;
  /** Whom an external token names, and the roles that it gives; those of other callers stand with their user. */
  readonly external?: ExternalHolder;
  /** The key that signed an access token of our own: the token is as good as that. */
  readonly signingKeyId?: string;
  /** Permissions in force now: `resource:verb`, or `resource:verb:any` for what others own. */
  readonly permissions: ReadonlySet<string>;
  /** When the credential ends; null = does not end by itself. */
  readonly expireTime: Date | null;
  readonly requestId: string;
  readonly ipAddress: string;
  readonly userAgent: string;
  /** What the call leaves in the audit log. */
  readonly trail?: Trail | undefined;
}

/** What a token of an external issuer says of its holder. */
export interface ExternalHolder {
  readonly issuer: string;
  readonly subject: string;
  readonly roles: readonly string[];
}

/** True if the caller holds the permission, for own objects (`jobs:read`) or all (`jobs:read:any`). */
export function may(caller: Caller, permission: string): boolean {
  return caller.permissions.has(permission) || caller.permissions.has(`${permission}:any`);
}

declare const made: unique symbol;

/**
 * The rows that a statement may touch: those of one user, or everybody's when `ownerId` is null. Only the functions
 * of this file make one, and the statements of callers are sent through a door that wants one (`Database.scoped`): a
 * query without an owner does not compile.
 */
export interface Scope {
  readonly ownerId: string | null;
  readonly [made]: true;
}

/** The scope in which the caller holds `permission`. */
export function scopeOf(caller: Caller, permission: string): Scope {
  return scope(caller.permissions.has(`${permission}:any`) ? null : caller.userId);
}

/** What the caller itself owns, whatever it may do with what others own. */
export function ownScope(caller: Caller): Scope {
  return scope(caller.userId);
}

/** Everybody's rows, for the service's own work. @param _reason why it may see them all; for whoever reads the code */
export function everybody(_reason: string): Scope {
  return scope(null);
}

function scope(ownerId: string | null): Scope {
  return { ownerId } as Scope;
}
