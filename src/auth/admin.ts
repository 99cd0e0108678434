import type { Auditor } from "../audit/auditor.ts";
import { systemActor } from "../audit/model.ts";
import type { Database } from "../db/sql.ts";
import { InvalidRequestError } from "../lib/errors.ts";
import { newId } from "../lib/ids.ts";
import { UserExistsError, UserNotFoundError } from "./account-errors.ts";
import { notifyChange } from "./change-queries.ts";
import { assertRolesExist } from "./grants.ts";
import { normalizeEmail, type User } from "./model.ts";
import { checkedPassword, makePassword } from "./password-rules.ts";
import type { Passwords } from "./passwords.ts";
import { endSessions } from "./session-queries.ts";
import { findUserByEmail, insertUser, lockAccounts, updatePassword } from "./user-queries.ts";

export interface CreateUser {
  readonly email: string;
  readonly displayName?: string;
  readonly roles: readonly string[];
  /** None = one is made, which the user must change. */
  readonly password?: string | undefined;
  readonly isServiceAccount?: boolean;
}

/** The verbs of whoever has the database: `sluice admin`. They ask for no permission. */
export interface AdminVerbs {
  /** @throws InvalidRequestError, RoleNotFoundError, UserExistsError */
  createUser(
    request: CreateUser,
  ): Promise<{ readonly user: User; readonly generatedPassword: string | null }>;
  /** Ends all sessions of the user. @throws InvalidRequestError, UserNotFoundError */
  resetPassword(request: {
    readonly email: string;
    readonly password?: string | undefined;
  }): Promise<{ readonly generatedPassword: string | null }>;
}

export interface AdminDeps {
  readonly db: Database;
  readonly audit: Auditor;
  readonly passwords: Passwords;
}

export function createAdminVerbs({ db, audit, passwords }: AdminDeps): AdminVerbs {
  const actor = systemActor("admin");
  return {
    async createUser({ email: typed, displayName = "", roles, password, isServiceAccount = false }) {
      const email = checkedEmail(typed);
      const generatedPassword = isServiceAccount || password ? null : makePassword();
      const plain = isServiceAccount
        ? null
        : (generatedPassword ?? checkedPassword("password", password ?? "", email));
      const passwordHash = plain === null ? null : await passwords.hash(plain);
      const mustChangePassword = generatedPassword !== null;
      const row = {
        id: newId(),
        email,
        displayName,
        passwordHash,
        roles,
        isServiceAccount,
        mustChangePassword,
      };
      const user = await db.begin(async (tx) => {
        await lockAccounts(tx);
        await assertRolesExist(tx, roles);
        const created = await insertUser(tx, row);
        if (!created) throw new UserExistsError(email);
        const details = { email, roles, is_service_account: isServiceAccount };
        const entry = { action: "users.create", resourceType: "user", resourceId: created.id, details };
        await audit.record(tx, actor, entry);
        return created;
      });
      return { user, generatedPassword };
    },

    async resetPassword({ email: typed, password }) {
      const email = checkedEmail(typed);
      const generatedPassword = password ? null : makePassword();
      const hash = await passwords.hash(
        generatedPassword ?? checkedPassword("password", password ?? "", email),
      );
      await db.begin(async (tx) => {
        const user = await findUserByEmail(tx, email);
        if (!user) throw new UserNotFoundError(email);
        if (user.isServiceAccount) throw invalid("email", "is a service account, which has no password");
        await updatePassword(tx, user.id, hash, generatedPassword !== null);
        await endSessions(tx, { userId: user.id, sessionId: null, reason: "PASSWORD_CHANGED" });
        await notifyChange(tx, { kind: "user", id: user.id });
        await audit.record(tx, actor, {
          action: "users.reset_password",
          resourceType: "user",
          resourceId: user.id,
        });
      });
      return { generatedPassword };
    },
  };
}

function checkedEmail(typed: string): string {
  const email = normalizeEmail(typed);
  if (email.length > 320 || !/^[^\s@]+@[^\s@]+$/.test(email)) throw invalid("email", "is no e-mail address");
  return email;
}

function invalid(field: string, description: string): InvalidRequestError {
  return new InvalidRequestError([{ field, description }]);
}
