import type { Auditor } from "../audit/auditor.ts";
import type { Database, Sql, Transaction } from "../db/sql.ts";
import type { Caller } from "../lib/caller.ts";
import { InvalidRequestError } from "../lib/errors.ts";
import { newId } from "../lib/ids.ts";
import type { OidcIssuer } from "../lib/oidc-issuers.ts";
import {
  LastAdminError,
  NoPasswordError,
  RequestIdReusedError,
  UserExistsError,
  UserNotFoundError,
  VersionConflictError,
} from "./account-errors.ts";
import { notifyChange } from "./change-queries.ts";
import {
  assertHoldsNoMore,
  assertMayGive,
  assertRolesExist,
  heldNow,
  type PermissionsNow,
  permissionsOfIssuer,
  permissionsOfRoles,
} from "./grants.ts";
import { nameOf, normalizeEmail, type User } from "./model.ts";
import { checkedPassword, makePassword } from "./password-rules.ts";
import type { Passwords } from "./passwords.ts";
import type { RequestHash } from "./request-hash.ts";
import { endSessions } from "./session-queries.ts";
import {
  anyOtherAdmin,
  findUser,
  findUserByRequest,
  insertUser,
  listUsers,
  lockAccounts,
  lockUser,
  type UserChange,
  type UserFilter,
  updatePassword,
  updateUser,
} from "./user-queries.ts";

export interface CreateUserRequest {
  readonly email: string;
  readonly displayName: string;
  /** Empty for a service account, and only for one. */
  readonly password: string;
  readonly roles: readonly string[];
  readonly isServiceAccount: boolean;
  /** Empty = none. */
  readonly requestId: string;
}

export interface UpdateUserRequest {
  readonly id: string;
  /** 0 = any. */
  readonly expectedVersion: number;
  /** Null = as it is. */
  readonly displayName: string | null;
  /** Empty = as they are. */
  readonly roles: readonly string[];
  /** Null = as it is. */
  readonly isActive: boolean | null;
}

/**
 * The verbs about other users. None of them gives, or lets the caller come to, what the caller does not hold.
 * They throw PermissionDeniedError and CredentialInvalidError for a caller that has just lost its rights.
 */
export interface UserVerbs {
  /**
   * A repeated `requestId` returns what the first one made.
   * @throws InvalidRequestError, UserExistsError, RoleNotFoundError, PermissionTooWideError, RequestIdReusedError,
   *   PasswordsBusyError
   */
  createUser(caller: Caller, request: CreateUserRequest): Promise<User>;
  /** @throws UserNotFoundError */
  getUser(id: string): Promise<User>;
  /** A page of users, newest first. */
  listUsers(
    filter: UserFilter,
    page: { readonly beforeId: string | null; readonly limit: number },
  ): Promise<User[]>;
  /**
   * In force in this process at once and in others within 5 s. Disabling ends all sessions. A change that changes
   * nothing makes no version.
   * @throws UserNotFoundError, VersionConflictError, RoleNotFoundError, PermissionTooWideError, HoldsMoreError,
   *   LastAdminError
   */
  updateUser(caller: Caller, request: UpdateUserRequest): Promise<User>;
  /**
   * Sets another user's password and ends all their sessions. The user should change it; nothing makes them. Returns
   * the password if it was made here, for an empty one.
   * @throws InvalidRequestError for the caller's own, UserNotFoundError, NoPasswordError, HoldsMoreError,
   *   PasswordsBusyError
   */
  resetPassword(
    caller: Caller,
    request: { readonly userId: string; readonly password: string },
  ): Promise<string | null>;
}

export interface UsersDeps {
  readonly db: Database;
  readonly audit: Auditor;
  readonly passwords: Passwords;
  readonly permissionsNow: PermissionsNow;
  readonly requestHash: RequestHash;
  readonly issuers: readonly OidcIssuer[];
  /** Puts a change into force in this process at once. */
  readonly onChange: (change: string) => void;
}

export function createUserVerbs(deps: UsersDeps): UserVerbs {
  const { db, audit, passwords, permissionsNow, requestHash, issuers, onChange } = deps;

  /** The user to change, locked; the caller may change it. */
  const forChange = async (tx: Transaction, held: ReadonlySet<string>, id: string): Promise<User> => {
    const found = await lockUser(tx, id);
    if (!found) throw new UserNotFoundError(id);
    const { passwordHash: _, ...user } = found;
    const theirs = user.issuer
      ? await permissionsOfIssuer(tx, issuers, user.issuer)
      : await permissionsOfRoles(tx, user.roles);
    assertHoldsNoMore(held, nameOf(user), theirs);
    return user;
  };

  const record = (tx: Transaction, caller: Caller, action: string, user: User, details = {}) =>
    audit.record(tx, caller, {
      action: `users.${action}`,
      resourceType: "user",
      resourceId: user.id,
      details: { email: user.email, ...details },
    });

  return {
    async createUser(caller, request) {
      const { displayName, roles, isServiceAccount, requestId, password } = request;
      const email = normalizeEmail(request.email);
      if (isServiceAccount && password) throw invalid("password", "must be empty for a service account");
      if (!isServiceAccount) checkedPassword("password", password, email);
      const hash = requestId ? requestHash({ email, displayName, roles, isServiceAccount, password }) : null;
      const repeated = async (sql: Sql): Promise<User | null> => {
        const first = hash === null ? null : await findUserByRequest(sql, caller.userId, requestId);
        if (first && first.requestHash !== hash) throw new RequestIdReusedError(requestId);
        return first?.user ?? null;
      };
      // Here too, so that a repetition costs no hash of a password.
      const earlier = await repeated(db.sql);
      if (earlier) return earlier;
      const passwordHash = password ? await passwords.hash(password) : null;
      return await db.begin(async (tx) => {
        await lockAccounts(tx);
        const held = await heldNow(permissionsNow, caller, "users:create");
        const first = await repeated(tx);
        if (first) return first;
        await assertRolesExist(tx, roles);
        assertMayGive(held, [...(await permissionsOfRoles(tx, roles))]);
        const user = await insertUser(tx, {
          id: newId(),
          email,
          displayName,
          passwordHash,
          roles,
          isServiceAccount,
          mustChangePassword: !isServiceAccount,
          createdBy: caller.userId,
          requestId: requestId || null,
          requestHash: hash,
        });
        if (!user) throw new UserExistsError(email);
        await record(tx, caller, "create", user, { roles, is_service_account: isServiceAccount });
        return user;
      });
    },

    async getUser(id) {
      const user = await findUser(db.sql, id);
      if (!user) throw new UserNotFoundError(id);
      return user;
    },

    async listUsers(filter, page) {
      return await listUsers(db.sql, filter, page);
    },

    async updateUser(caller, { id, expectedVersion, displayName, roles, isActive }) {
      const user = await db.begin(async (tx) => {
        await lockAccounts(tx);
        const held = await heldNow(permissionsNow, caller, "users:update");
        const before = await forChange(tx, held, id);
        if (expectedVersion !== 0 && expectedVersion !== before.version)
          throw new VersionConflictError("User", nameOf(before), expectedVersion, before.version);
        const after: UserChange = {
          displayName: displayName ?? before.displayName,
          roles: roles.length > 0 ? roles : before.roles,
          isActive: isActive ?? before.isActive,
        };
        const changes = changesBetween(before, after);
        if (changes.length === 0) return before;
        if (changes.includes("roles")) {
          if (before.issuer)
            throw invalid("roles", "follow from the tokens of the user's issuer; change them there");
          await assertRolesExist(tx, after.roles);
          assertMayGive(held, [...(await permissionsOfRoles(tx, after.roles))]);
        }
        if (isAdmin(before) && !isAdmin(after) && !(await anyOtherAdmin(tx, id)))
          throw new LastAdminError(before.email);
        const isDisabled = before.isActive && !after.isActive;
        const updated = await updateUser(tx, id, after, isDisabled);
        if (isDisabled) await endSessions(tx, { userId: id, sessionId: null, reason: "USER_DISABLED" });
        await notifyChange(tx, { kind: "user", id });
        const told = changes.map((name) => [CHANGED[name], { before: before[name], after: after[name] }]);
        await record(tx, caller, "update", updated, Object.fromEntries(told));
        return updated;
      });
      onChange(`user:${id}`);
      return user;
    },

    async resetPassword(caller, { userId, password }) {
      if (userId === caller.userId)
        throw invalid("user_id", "is your own; ChangePassword sets that, and asks for the current password");
      const known = await findUser(db.sql, userId);
      if (!known) throw new UserNotFoundError(userId);
      if (known.isServiceAccount) throw new NoPasswordError(known.email);
      if (known.issuer) throw invalid("user_id", `names a user of ${known.issuer}, who has no password here`);
      const made = password ? null : makePassword();
      const hash = await passwords.hash(made ?? checkedPassword("new_password", password, known.email));
      await db.begin(async (tx) => {
        await lockAccounts(tx);
        const held = await heldNow(permissionsNow, caller, "users:update");
        const user = await forChange(tx, held, userId);
        await updatePassword(tx, userId, hash, true);
        const sessions = await endSessions(tx, { userId, sessionId: null, reason: "PASSWORD_CHANGED" });
        await notifyChange(tx, { kind: "user", id: userId });
        await record(tx, caller, "reset_password", user, {
          generated: made !== null,
          sessions: sessions.length,
        });
      });
      onChange(`user:${userId}`);
      return made;
    },
  };
}

const isAdmin = ({ isActive, roles }: Pick<User, "isActive" | "roles">): boolean =>
  isActive && roles.includes("admin");

/** The names of the contract, for the record. */
const CHANGED: Readonly<Record<keyof UserChange, string>> = {
  displayName: "display_name",
  roles: "roles",
  isActive: "is_active",
};

/** What differs; the order of roles does not count. */
function changesBetween(before: User, after: UserChange): (keyof UserChange)[] {
  const formOf = (value: UserChange[keyof UserChange]) =>
    JSON.stringify(Array.isArray(value) ? [...value].sort() : value);
  return (Object.keys(CHANGED) as (keyof UserChange)[]).filter(
    (name) => formOf(before[name]) !== formOf(after[name]),
  );
}

function invalid(field: string, description: string): InvalidRequestError {
  return new InvalidRequestError([{ field, description }]);
}
