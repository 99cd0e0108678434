import type { Sql } from "../db/sql.ts";
import type { Caller } from "../lib/caller.ts";
import { type FieldFault, InvalidRequestError, PermissionDeniedError } from "../lib/errors.ts";
import { nearest } from "../lib/nearest.ts";
import { type OidcIssuer, rolesMappedBy } from "../lib/oidc-issuers.ts";
import { HoldsMoreError, PermissionTooWideError, RoleNotFoundError } from "./account-errors.ts";
import {
  ALL_PERMISSIONS,
  BUILTIN_ROLES,
  beyond,
  externalPermissionsOf,
  permissionsOf,
} from "./permissions.ts";
import { findCustomRoles } from "./role-queries.ts";

/** Tells what a caller may do at this moment: `permissionsNow` of the authenticator. */
export type PermissionsNow = (caller: Caller) => Promise<ReadonlySet<string>>;

/**
 * What the caller may do now, and so may give. Asked anew, since the permissions that a call came in with are up to
 * 5 s old: who has just lost them must not use the rest of that time to give them back to itself.
 * @param needed the permission of the call
 * @throws PermissionDeniedError, CredentialInvalidError
 */
export async function heldNow(
  permissionsNow: PermissionsNow,
  caller: Caller,
  needed: string,
): Promise<ReadonlySet<string>> {
  const held = await permissionsNow(caller);
  if (!held.has(needed) && !held.has(`${needed}:any`)) throw new PermissionDeniedError(needed);
  return held;
}

/** Nobody gives more than they hold. @throws PermissionTooWideError */
export function assertMayGive(held: ReadonlySet<string>, wanted: readonly string[]): void {
  const tooWide = beyond(wanted, held);
  if (tooWide.length === 0) return;
  throw new PermissionTooWideError(`this credential does not hold ${tooWide.join(", ")}`, {
    permissions: tooWide.join(","),
  });
}

/**
 * Nobody changes who or what holds more than they do; else a new password, say, would open all that the other may do.
 * @param what the user or the role, for people
 * @throws HoldsMoreError
 */
export function assertHoldsNoMore(
  held: ReadonlySet<string>,
  what: string,
  permissions: ReadonlySet<string>,
): void {
  const more = beyond([...permissions], held).sort();
  if (more.length > 0) throw new HoldsMoreError(what, more);
}

/** What the roles give together; a role that is gone gives nothing. */
export async function permissionsOfRoles(sql: Sql, names: readonly string[]): Promise<ReadonlySet<string>> {
  const custom = await findCustomRoles(sql, names);
  return permissionsOf(
    names,
    custom.flatMap(({ permissions }) => permissions),
  );
}

/**
 * What a user of an external issuer may come to hold: the roles come with each token, so all count that the issuer can
 * give. What one gave that is not configured (any more) is not known, so it counts as everything.
 */
export async function permissionsOfIssuer(
  sql: Sql,
  issuers: readonly OidcIssuer[],
  issuer: string,
): Promise<ReadonlySet<string>> {
  const configured = issuers.find((one) => one.issuer === issuer);
  const names = configured ? rolesMappedBy(configured) : ["admin"];
  const custom = await findCustomRoles(sql, names);
  return externalPermissionsOf(
    names,
    custom.flatMap(({ permissions }) => permissions),
  );
}

/** @throws RoleNotFoundError naming the first role that does not exist */
export async function assertRolesExist(sql: Sql, names: readonly string[]): Promise<void> {
  const custom = new Set((await findCustomRoles(sql, names)).map(({ name }) => name));
  const unknown = names.find((name) => !BUILTIN_ROLES.has(name) && !custom.has(name));
  if (unknown !== undefined) throw new RoleNotFoundError(unknown);
}

/** @throws InvalidRequestError naming every permission that does not exist, and which one may be meant */
export function assertPermissionsExist(permissions: readonly string[]): void {
  const faults = permissions.flatMap((permission, i): FieldFault[] => {
    if (ALL_PERMISSIONS.includes(permission)) return [];
    const meant = nearest(permission, ALL_PERMISSIONS);
    const hint = meant ? `; is ${meant} meant?` : "";
    return [{ field: `permissions[${i}]`, description: `there is no permission ${permission}${hint}` }];
  });
  if (faults.length > 0) throw new InvalidRequestError(faults);
}
