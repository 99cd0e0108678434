import type { Auditor } from "../audit/auditor.ts";
import type { Database, Transaction } from "../db/sql.ts";
import type { Caller } from "../lib/caller.ts";
import { type OidcIssuer, rolesMappedBy } from "../lib/oidc-issuers.ts";
import {
  RequestIdReusedError,
  RoleBuiltinError,
  RoleExistsError,
  RoleInUseError,
  RoleMappedError,
  RoleNotFoundError,
  TooManyRolesError,
  VersionConflictError,
} from "./account-errors.ts";
import { notifyChange } from "./change-queries.ts";
import {
  assertHoldsNoMore,
  assertMayGive,
  assertPermissionsExist,
  heldNow,
  type PermissionsNow,
} from "./grants.ts";
import type { CustomRole, Role } from "./model.ts";
import { BUILTIN_ROLES, permissionsOf } from "./permissions.ts";
import type { RequestHash } from "./request-hash.ts";
import {
  countCustomRoles,
  countHolders,
  deleteRole,
  findCustomRoles,
  findRoleByRequest,
  insertRole,
  listCustomRoles,
  updateRole,
} from "./role-queries.ts";
import { lockAccounts } from "./user-queries.ts";

/** Roles beside the built-in ones. */
const MAX_CUSTOM_ROLES = 1_000;

/** What a role is. */
export interface RoleDefinition {
  readonly name: string;
  readonly description: string;
  readonly permissions: readonly string[];
}

/** Where a role stands in the list of all. */
export type RolePlace = Pick<Role, "createdAt" | "name">;

/**
 * The verbs about roles. No role holds more than who makes or changes it.
 * They throw PermissionDeniedError and CredentialInvalidError for a caller that has just lost its rights.
 */
export interface RoleVerbs {
  /** A page of roles: the built-in ones, then the others, newest first. `after` is the last one of the page before. */
  listRoles(page: { readonly after: RolePlace | null; readonly limit: number }): Promise<Role[]>;
  /**
   * A repeated `requestId` returns what the first one made, unless that was deleted. There are 1,000 at the most.
   * @throws InvalidRequestError for unknown permissions, RoleExistsError, TooManyRolesError, PermissionTooWideError,
   *   RequestIdReusedError
   */
  createRole(caller: Caller, request: RoleDefinition & { readonly requestId: string }): Promise<Role>;
  /**
   * In force in this process at once and in others within 5 s. A change that changes nothing makes no version.
   * @throws InvalidRequestError for unknown permissions, RoleNotFoundError, RoleBuiltinError, VersionConflictError,
   *   PermissionTooWideError, HoldsMoreError
   */
  updateRole(caller: Caller, request: RoleDefinition & { readonly expectedVersion: number }): Promise<Role>;
  /**
   * @throws RoleNotFoundError, RoleBuiltinError, RoleInUseError, RoleMappedError, VersionConflictError, HoldsMoreError
   */
  deleteRole(caller: Caller, name: string, expectedVersion: number): Promise<void>;
}

export interface RolesDeps {
  readonly db: Database;
  readonly audit: Auditor;
  readonly permissionsNow: PermissionsNow;
  readonly requestHash: RequestHash;
  readonly issuers: readonly OidcIssuer[];
  /** Puts a change into force in this process at once. */
  readonly onChange: (change: string) => void;
}

export function createRoleVerbs(deps: RolesDeps): RoleVerbs {
  const { db, audit, permissionsNow, requestHash, issuers, onChange } = deps;

  /** The role to change, which the caller may change. */
  const forChange = async (
    tx: Transaction,
    held: ReadonlySet<string>,
    name: string,
    expectedVersion: number,
  ): Promise<CustomRole> => {
    if (BUILTIN_ROLES.has(name)) throw new RoleBuiltinError(name);
    const [role] = await findCustomRoles(tx, [name]);
    if (!role) throw new RoleNotFoundError(name);
    assertHoldsNoMore(held, `The role ${name}`, permissionsOf([], role.permissions));
    if (expectedVersion !== 0 && expectedVersion !== role.version)
      throw new VersionConflictError("Role", name, expectedVersion, role.version);
    return role;
  };

  const record = (tx: Transaction, caller: Caller, action: string, name: string, details: object) =>
    audit.record(tx, caller, {
      action: `roles.${action}`,
      resourceType: "role",
      resourceId: name,
      details: { ...details },
    });

  return {
    async listRoles({ after, limit }) {
      const builtin = builtinRolesAfter(after).slice(0, limit);
      const left = limit - builtin.length;
      if (left === 0) return builtin;
      const { createdAt, name } = after ?? { createdAt: null, name: "" };
      const before = createdAt && { createdAt, name };
      return [...builtin, ...(await listCustomRoles(db.sql, { before, limit: left })).map(customRole)];
    },

    async createRole(caller, { name, description, requestId, ...request }) {
      assertPermissionsExist(request.permissions);
      const permissions = [...new Set(request.permissions)].sort();
      const hash = requestId ? requestHash({ name, description, permissions }) : null;
      return await db.begin(async (tx) => {
        await lockAccounts(tx);
        const held = await heldNow(permissionsNow, caller, "roles:create");
        const first = hash === null ? null : await findRoleByRequest(tx, caller.userId, requestId);
        if (first && first.requestHash !== hash) throw new RequestIdReusedError(requestId);
        if (first) return customRole(first.role);
        assertMayGive(held, permissions);
        const made = { name, description, permissions, createdBy: caller.userId };
        const role = BUILTIN_ROLES.has(name)
          ? null
          : await insertRole(tx, { ...made, requestId: requestId || null, requestHash: hash });
        if (!role) throw new RoleExistsError(name);
        if ((await countCustomRoles(tx)) > MAX_CUSTOM_ROLES) throw new TooManyRolesError(MAX_CUSTOM_ROLES);
        await record(tx, caller, "create", name, { description, permissions });
        return customRole(role);
      });
    },

    async updateRole(caller, { name, description, expectedVersion, ...request }) {
      assertPermissionsExist(request.permissions);
      const permissions = [...new Set(request.permissions)].sort();
      const role = await db.begin(async (tx) => {
        await lockAccounts(tx);
        const held = await heldNow(permissionsNow, caller, "roles:update");
        const before = await forChange(tx, held, name, expectedVersion);
        assertMayGive(held, permissions);
        const isSame = before.permissions.join() === permissions.join() && before.description === description;
        if (isSame) return before;
        const updated = await updateRole(tx, { name, description, permissions });
        await notifyChange(tx, { kind: "role", id: name });
        await record(tx, caller, "update", name, {
          description,
          added: permissions.filter((permission) => !before.permissions.includes(permission)),
          removed: before.permissions.filter((permission) => !permissions.includes(permission)),
        });
        return updated;
      });
      onChange(`role:${name}`);
      return customRole(role);
    },

    async deleteRole(caller, name, expectedVersion) {
      await db.begin(async (tx) => {
        await lockAccounts(tx);
        const held = await heldNow(permissionsNow, caller, "roles:delete");
        const role = await forChange(tx, held, name, expectedVersion);
        const holders = await countHolders(tx, name);
        if (holders > 0) throw new RoleInUseError(name, holders);
        const mapping = issuers.find((issuer) => rolesMappedBy(issuer).includes(name));
        if (mapping) throw new RoleMappedError(name, mapping.issuer);
        await deleteRole(tx, name);
        await record(tx, caller, "delete", name, { permissions: role.permissions });
      });
    },
  };
}

const customRole = (role: CustomRole): Role => ({ ...role, isBuiltin: false });

/** The built-in roles that stand behind `after` in the list of all. */
function builtinRolesAfter(after: RolePlace | null): Role[] {
  if (after?.createdAt) return [];
  const common = { isBuiltin: true, version: 1, createdAt: null, updatedAt: null };
  const all = [...BUILTIN_ROLES].map(([name, role]) => ({ name, ...role, ...common }));
  return all.slice(all.findIndex(({ name }) => name === after?.name) + 1);
}
