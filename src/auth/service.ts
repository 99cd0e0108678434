import type { Auditor } from "../audit/auditor.ts";
import type { Database } from "../db/sql.ts";
import { type Caller, ownScope } from "../lib/caller.ts";
import type { Clock } from "../lib/clock.ts";
import { InvalidRequestError } from "../lib/errors.ts";
import type { OidcIssuer } from "../lib/oidc-issuers.ts";
import { UserNotFoundError } from "./account-errors.ts";
import { type ApiKeyVerbs, createApiKeyVerbs } from "./api-keys.ts";
import { notifyChange } from "./change-queries.ts";
import { LoginFailedError } from "./errors.ts";
import type { PermissionsNow } from "./grants.ts";
import { LOCAL_USER_ID, normalizeEmail, type Peer, type Tokens, type User } from "./model.ts";
import { checkedPassword } from "./password-rules.ts";
import type { Passwords } from "./passwords.ts";
import type { RequestHash } from "./request-hash.ts";
import { createRoleVerbs, type RoleVerbs } from "./roles.ts";
import { endSessions, removeOldSessions } from "./session-queries.ts";
import type { Sessions } from "./sessions.ts";
import type { LoginThrottle } from "./throttle.ts";
import { findUser, findUserByEmail, lockUser, noteLogin, updatePassword } from "./user-queries.ts";
import { createUserVerbs, type UserVerbs } from "./users.ts";

/** The verbs of callers about themselves, their keys, other users and roles. */
export interface AuthService extends ApiKeyVerbs, UserVerbs, RoleVerbs {
  /**
   * Answers in the same way and time whether the user exists or not.
   * @throws LoginFailedError, LoginThrottledError, PasswordsBusyError
   */
  login(request: { readonly email: string; readonly password: string }, peer: Peer): Promise<Tokens>;
  /** @throws RefreshTokenInvalidError, RefreshTokenReusedError */
  refresh(refreshToken: string, peer: Peer): Promise<Tokens>;
  /** Ends the caller's session, or all sessions of the caller. @throws InvalidRequestError without a session */
  logout(caller: Caller, allSessions: boolean): Promise<void>;
  /** The caller's user. Without authentication, one that has no row. */
  getCaller(caller: Caller): Promise<User>;
  /**
   * Sets a new password and ends all sessions. @throws LoginFailedError if the current one is wrong,
   * LoginThrottledError, PasswordsBusyError
   */
  changePassword(caller: Caller, request: { readonly current: string; readonly next: string }): Promise<void>;
}

export interface AuthServiceDeps {
  readonly db: Database;
  readonly audit: Auditor;
  readonly clock: Clock;
  readonly passwords: Passwords;
  readonly throttle: LoginThrottle;
  readonly sessions: Sessions;
  readonly permissionsNow: PermissionsNow;
  readonly requestHash: RequestHash;
  /** Those whose tokens are accepted. */
  readonly issuers: readonly OidcIssuer[];
  /** Puts a change into force in this process at once: `invalidate` of the authenticator. */
  readonly onChange: (change?: string) => void;
  readonly databaseTime?: (() => Date) | undefined;
}

export function createAuthService(deps: AuthServiceDeps): AuthService {
  const { db, audit, passwords, throttle, sessions, onChange } = deps;
  const now = () => deps.databaseTime?.() ?? null;

  return {
    ...createApiKeyVerbs(deps),
    ...createUserVerbs(deps),
    ...createRoleVerbs(deps),

    async login({ email: typed, password }, peer) {
      const email = normalizeEmail(typed);
      await throttle.reserve(email, peer.ipAddress);
      const user = await findUserByEmail(db.sql, email);
      const usable = user?.isActive && !user.isServiceAccount ? user.passwordHash : null;
      const { matches, stale } = await passwords.verify(usable, password);
      const rehashed = matches && stale ? await passwords.hash(password) : null;
      const tokens = await db.begin(async (tx) => {
        const current = matches && user ? await lockUser(tx, user.id) : null;
        // The password may have been changed while the hash was computed.
        const ok = current?.isActive === true && current.passwordHash === usable;
        const started = ok ? await sessions.start(tx, current, peer) : null;
        if (ok) await noteLogin(tx, current.id, rehashed, now());
        const actor = {
          ...peer,
          userId: started ? (user?.id ?? null) : null,
          credentialId: started?.sessionId ?? "",
          credential: "none",
        };
        await audit.record(tx, actor, {
          action: "auth.login",
          resourceType: "user",
          resourceId: user?.id ?? "",
          details: user ? { email } : {},
          success: started !== null,
          errorMessage: started ? "" : "LOGIN_FAILED",
          code: started ? "ok" : "unauthenticated",
        });
        return started;
      });
      if (!tokens) throw new LoginFailedError();
      await throttle.succeeded(email, peer.ipAddress);
      await removeOldSessions(db.sql, now());
      return tokens;
    },

    async refresh(refreshToken, peer) {
      return await sessions.refresh(refreshToken, peer);
    },

    async logout(caller, allSessions) {
      if (!allSessions && caller.credential !== "jwt") {
        throw new InvalidRequestError([
          {
            field: "all_sessions",
            description: "this credential has no session of its own; set it to end all sessions",
          },
        ]);
      }
      const { userId, credentialId } = caller;
      await db.beginScoped(ownScope(caller), async (tx) => {
        const sessionId = allSessions ? null : credentialId;
        const ended = await endSessions(tx, { userId, sessionId, reason: "LOGOUT" });
        await notifyChange(tx, { kind: "user", id: userId });
        await audit.record(tx, caller, {
          action: "auth.logout",
          resourceType: "user",
          resourceId: userId,
          details: { sessions: ended.length },
        });
      });
      onChange();
    },

    async getCaller(caller) {
      const user = caller.credential === "none" ? localUser() : await findUser(db.sql, caller.userId);
      if (!user) throw new UserNotFoundError(caller.userId);
      return caller.external ? { ...user, roles: caller.external.roles } : user;
    },

    async changePassword(caller, { current, next }) {
      const user = await findUser(db.sql, caller.userId);
      if (!user) throw new UserNotFoundError(caller.userId);
      if (current === next) {
        throw new InvalidRequestError([
          { field: "new_password", description: "must differ from the current password" },
        ]);
      }
      checkedPassword("new_password", next, user.email);
      await throttle.reserve(user.email, caller.ipAddress);
      const { matches } = await passwords.verify(user.passwordHash, current);
      const hash = matches ? await passwords.hash(next) : null;
      const changed = await db.beginScoped(ownScope(caller), async (tx) => {
        const locked = hash === null ? null : await lockUser(tx, user.id);
        const ok = hash !== null && locked?.passwordHash === user.passwordHash;
        if (ok) {
          await updatePassword(tx, user.id, hash, false);
          await endSessions(tx, { userId: user.id, sessionId: null, reason: "PASSWORD_CHANGED" });
          await notifyChange(tx, { kind: "user", id: user.id });
        }
        const outcome = ok
          ? { success: true }
          : { success: false, errorMessage: "LOGIN_FAILED", code: "unauthenticated" };
        const entry = {
          action: "auth.change_password",
          resourceType: "user",
          resourceId: user.id,
          ...outcome,
        };
        await audit.record(tx, caller, entry);
        return ok;
      });
      if (!changed) throw new LoginFailedError();
      onChange();
      await throttle.succeeded(user.email, caller.ipAddress);
    },
  };
}

function localUser(): User {
  const epoch = new Date(0);
  return {
    id: LOCAL_USER_ID,
    email: "local",
    displayName: "Local administrator (the server runs without authentication)",
    roles: ["admin"],
    isActive: true,
    isServiceAccount: false,
    mustChangePassword: false,
    tokenVersion: 1,
    version: 1,
    createdAt: epoch,
    updatedAt: epoch,
    lastLoginAt: null,
    issuer: null,
    subject: null,
  };
}
