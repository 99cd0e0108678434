import type { Auditor } from "../audit/auditor.ts";
import type { Database, Transaction } from "../db/sql.ts";
import { newId } from "../lib/ids.ts";
import { notifyChange } from "./change-queries.ts";
import { RefreshTokenInvalidError, RefreshTokenReusedError } from "./errors.ts";
import type { Peer, Tokens, User } from "./model.ts";
import { hashRefreshToken, isRefreshToken, type RefreshTokenMaker } from "./refresh-tokens.ts";
import {
  endSessions,
  findUnusedToken,
  insertRefreshToken,
  insertSession,
  lockRefreshToken,
  markRefreshTokenUsed,
  type RefreshState,
} from "./session-queries.ts";
import type { AccessTokens } from "./tokens.ts";
import { findUser } from "./user-queries.ts";

export interface SessionLimits {
  /** No refresh reaches beyond it. Default 30 days. */
  readonly lifetimeMs: number;
  /** A refresh token that is not used so long ends. Default 7 days. */
  readonly idleMs: number;
  /**
   * A used token gets the same successor again for this long, so that a lost answer does not log anyone out; the
   * price: a thief who uses it within that time is found only at the next refresh. Default 10 s; 0 = never.
   */
  readonly graceMs: number;
}

export const DEFAULT_SESSION_LIMITS: SessionLimits = {
  lifetimeMs: 30 * 86_400_000,
  idleMs: 7 * 86_400_000,
  graceMs: 10_000,
};

/** Logins and their families of refresh tokens. */
export interface Sessions {
  /** Starts a session of `user`, in the caller's transaction. */
  start(tx: Transaction, user: User, peer: Peer): Promise<Tokens & { readonly sessionId: string }>;
  /**
   * Exchanges a refresh token. A token that was used before ends its session.
   * @throws RefreshTokenInvalidError, RefreshTokenReusedError
   */
  refresh(token: string, peer: Peer): Promise<Tokens>;
}

export interface SessionsDeps {
  readonly db: Database;
  readonly access: AccessTokens;
  readonly refreshTokens: RefreshTokenMaker;
  readonly audit: Auditor;
  readonly limits?: Partial<SessionLimits>;
  readonly databaseTime?: (() => Date) | undefined;
}

type Outcome = Tokens | "invalid" | "reused";

export function createSessions({
  db,
  access,
  refreshTokens,
  audit,
  limits,
  databaseTime,
}: SessionsDeps): Sessions {
  const { lifetimeMs, idleMs, graceMs } = { ...DEFAULT_SESSION_LIMITS, ...limits };
  const now = () => databaseTime?.() ?? null;

  const issue = async (user: User, sessionId: string, sessionEnd: Date) =>
    await access.issue({
      userId: user.id,
      sessionId,
      tokenVersion: user.tokenVersion,
      roles: user.roles,
      sessionEnd,
    });

  /** The token that follows, made now or (in the grace period) already there; null if neither may be. */
  const successorOf = async (tx: Transaction, token: string, state: RefreshState) => {
    const sequence = state.sequence + 1;
    const text = refreshTokens.successor(token, state.sessionId, sequence);
    const hash = hashRefreshToken(text);
    if (state.usedForMs === null) {
      await markRefreshTokenUsed(tx, hashRefreshToken(token), now());
      return {
        text,
        end: await insertRefreshToken(tx, { sessionId: state.sessionId, sequence, hash, idleMs }, now()),
      };
    }
    const standing = state.usedForMs < graceMs ? await findUnusedToken(tx, hash) : null;
    return standing && { text, end: standing.expiresAt };
  };

  const rotate = async (tx: Transaction, token: string, peer: Peer): Promise<Outcome> => {
    const state = await lockRefreshToken(tx, hashRefreshToken(token), now());
    if (!state || state.isDead) return "invalid";
    const { sessionId, userId } = state;
    // Not locked: a password change takes the user first and the session then.
    const user = await findUser(tx, userId);
    if (!user?.isActive) return "invalid";
    const successor = await successorOf(tx, token, state);
    if (!successor) {
      await endSessions(tx, { userId, sessionId, reason: "REFRESH_REUSED" });
      await notifyChange(tx, { kind: "session", id: sessionId });
      await audit.record(
        tx,
        { ...peer, userId, credentialId: sessionId },
        { action: "auth.refresh_reuse", resourceType: "session", resourceId: sessionId, success: false },
      );
      return "reused";
    }
    const { text, expireTime } = await issue(user, sessionId, state.sessionEnd);
    await audit.record(
      tx,
      { ...peer, userId, credentialId: sessionId, credential: "none" },
      { action: "auth.refresh", resourceType: "session", resourceId: sessionId },
    );
    return {
      accessToken: text,
      expireTime,
      refreshToken: successor.text,
      refreshExpireTime: successor.end,
      user,
    };
  };

  return {
    async start(tx, user, peer) {
      const sessionId = newId();
      const { ipAddress, userAgent } = peer;
      const sessionEnd = await insertSession(
        tx,
        { id: sessionId, userId: user.id, ipAddress, userAgent: userAgent.slice(0, 256), lifetimeMs },
        now(),
      );
      const refreshToken = refreshTokens.first();
      const hash = hashRefreshToken(refreshToken);
      const refreshExpireTime = await insertRefreshToken(tx, { sessionId, sequence: 1, hash, idleMs }, now());
      const { text, expireTime } = await issue(user, sessionId, sessionEnd);
      return { sessionId, accessToken: text, expireTime, refreshToken, refreshExpireTime, user };
    },

    async refresh(token, peer) {
      if (!isRefreshToken(token)) throw new RefreshTokenInvalidError();
      // Thrown outside, so that the end of a session whose token was reused is committed.
      const outcome = await db.begin((tx) => rotate(tx, token, peer));
      if (outcome === "invalid") throw new RefreshTokenInvalidError();
      if (outcome === "reused") throw new RefreshTokenReusedError();
      return outcome;
    },
  };
}
