import type { Sql } from "../db/sql.ts";

export type SessionEnd = "LOGOUT" | "REFRESH_REUSED" | "PASSWORD_CHANGED" | "USER_DISABLED";

export interface NewSession {
  readonly id: string;
  readonly userId: string;
  readonly ipAddress: string;
  readonly userAgent: string;
  readonly lifetimeMs: number;
}

export interface SessionTimes {
  readonly sessionEnd: Date;
  readonly refreshEnd: Date;
}

export interface RefreshState {
  readonly sessionId: string;
  readonly userId: string;
  readonly sequence: number;
  readonly sessionEnd: Date;
  /** The session has ended, or the token or the session is over. */
  readonly isDead: boolean;
  /** Since the token was used; null = it was not. */
  readonly usedForMs: number | null;
}

/** Starts a session; `sessionEnd` is as far as its refreshes reach. */
export async function insertSession(tx: Sql, session: NewSession, now: Date | null): Promise<Date> {
  const [row] = await tx<[{ expiresAt: Date }]>`
    insert into sessions (id, user_id, ip_address, user_agent, created_at, expires_at)
    select ${session.id}, ${session.userId}, ${session.ipAddress}, ${session.userAgent}, time,
      time + make_interval(secs => ${session.lifetimeMs / 1000})
    from (select coalesce(${now}::timestamptz, now()) as time) t
    returning expires_at`;
  return row.expiresAt;
}

/** Adds a refresh token that ends when it is idle too long, or with its session. Returns its end. */
export async function insertRefreshToken(
  tx: Sql,
  token: {
    readonly sessionId: string;
    readonly sequence: number;
    readonly hash: Buffer;
    readonly idleMs: number;
  },
  now: Date | null,
): Promise<Date> {
  const [row] = await tx<[{ expiresAt: Date }]>`
    insert into refresh_tokens (hash, session_id, sequence, created_at, expires_at)
    select ${token.hash}, s.id, ${token.sequence}, time,
      least(s.expires_at, time + make_interval(secs => ${token.idleMs / 1000}))
    from sessions s cross join (select coalesce(${now}::timestamptz, now()) as time) t
    where s.id = ${token.sessionId}
    returning expires_at`;
  return row.expiresAt;
}

/** The token's state; its session is locked until the transaction ends, so that refreshes go one by one. */
export async function lockRefreshToken(
  tx: Sql,
  hash: Buffer,
  now: Date | null,
): Promise<RefreshState | null> {
  await tx`
    select 1 from sessions where id = (select session_id from refresh_tokens where hash = ${hash}) for update`;
  // A second statement, so that it sees what the one before us in the lock has committed.
  const [state] = await tx<RefreshState[]>`
    select t.session_id, s.user_id, t.sequence, s.expires_at as session_end,
      (s.ended_at is not null or s.expires_at <= time or t.expires_at <= time) as is_dead,
      extract(epoch from time - t.used_at)::float8 * 1000 as used_for_ms
    from refresh_tokens t join sessions s on s.id = t.session_id
      cross join (select coalesce(${now}::timestamptz, clock_timestamp()) as time) n
    where t.hash = ${hash}`;
  return state ?? null;
}

export async function markRefreshTokenUsed(tx: Sql, hash: Buffer, now: Date | null): Promise<void> {
  await tx`
    update refresh_tokens set used_at = coalesce(${now}::timestamptz, clock_timestamp()) where hash = ${hash}`;
}

/** The token with this hash, if it was not used. */
export async function findUnusedToken(tx: Sql, hash: Buffer): Promise<{ readonly expiresAt: Date } | null> {
  const [row] = await tx<{ expiresAt: Date }[]>`
    select expires_at from refresh_tokens where hash = ${hash} and used_at is null`;
  return row ?? null;
}

/** Ends one session of a user, or all (`sessionId` null). Returns the ids of those that ended by this. */
export async function endSessions(
  tx: Sql,
  { userId, sessionId, reason }: { userId: string; sessionId: string | null; reason: SessionEnd },
): Promise<string[]> {
  const rows = await tx<{ id: string }[]>`
    update sessions set ended_at = now(), end_reason = ${reason}
    where user_id = ${userId} and ended_at is null and (${sessionId}::uuid is null or id = ${sessionId})
    returning id`;
  return rows.map(({ id }) => id);
}

/** Removes some sessions that have been over for a week, with their tokens. */
export async function removeOldSessions(sql: Sql, now: Date | null): Promise<void> {
  await sql`
    delete from sessions where id in (
      select id from sessions where expires_at < coalesce(${now}::timestamptz, now()) - interval '7 days'
      limit 20 for update skip locked)`;
}
