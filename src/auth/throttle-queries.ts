import type { Sql } from "../db/sql.ts";

export interface ThrottleState {
  readonly failures: number;
  /** Since the last failure. */
  readonly elapsedMs: number;
  /** Until the subject may try again; 0 or less = now. */
  readonly waitMs: number;
}

/** The state of a subject, which is locked until the transaction ends; made if there is none. */
export async function lockThrottle(tx: Sql, subject: string, now: Date | null): Promise<ThrottleState> {
  const time = sqlTime(tx, now);
  // DO UPDATE, so that a row that stands is locked and returned too.
  const [row] = await tx<[ThrottleState]>`
    insert into login_throttle as t (subject, failures, updated_at, blocked_until)
    values (${subject}, 0, ${time}, to_timestamp(0))
    on conflict (subject) do update set subject = excluded.subject
    returning failures,
      extract(epoch from ${time} - updated_at)::float8 * 1000 as elapsed_ms,
      extract(epoch from blocked_until - ${time})::float8 * 1000 as wait_ms`;
  return row;
}

/** Stores the number of failures, and blocks the subject for `delayMs`. */
export async function saveThrottle(
  tx: Sql,
  subject: string,
  { failures, delayMs }: { readonly failures: number; readonly delayMs: number },
  now: Date | null,
): Promise<void> {
  const time = sqlTime(tx, now);
  // No wait is a time long past: attempts that come at once see each other's times in any order.
  await tx`
    update login_throttle set failures = ${failures}, updated_at = ${time},
      blocked_until = case when ${delayMs}::float8 = 0 then to_timestamp(0)
        else ${time} + make_interval(secs => ${delayMs / 1000}) end
    where subject = ${subject}`;
}

/** Forgets the account's failures, and takes one back from the address. */
export async function clearFailures(sql: Sql, account: string, address: string): Promise<void> {
  await sql`
    with gone as (delete from login_throttle where subject = ${account})
    update login_throttle set failures = greatest(0, failures - 1) where subject = ${address}`;
}

/** Removes some of the rows that have been quiet for a day. */
export async function removeOldThrottles(sql: Sql, now: Date | null): Promise<void> {
  await sql`
    delete from login_throttle where subject in (
      select subject from login_throttle
      where updated_at < ${sqlTime(sql, now)} - interval '1 day' limit 100 for update skip locked)`;
}

// Not now(): that is the start of the transaction, which may have waited for the lock.
function sqlTime(sql: Sql, now: Date | null) {
  return sql`coalesce(${now}::timestamptz, clock_timestamp())`;
}
