import { createHash } from "node:crypto";
import type { Database } from "../db/sql.ts";
import { networkOf } from "../lib/network.ts";
import { LoginThrottledError } from "./errors.ts";
import { clearFailures, lockThrottle, removeOldThrottles, saveThrottle } from "./throttle-queries.ts";

export interface ThrottlePolicy {
  /** Failures that cost no wait. */
  readonly free: number;
  /** The first wait; each further failure doubles it. */
  readonly baseMs: number;
  readonly capMs: number;
  /** Failures forgotten in a millisecond. */
  readonly forgetPerMs: number;
}

/** Per account: five failures are free, then the wait doubles from 1 s to 15 min. An hour of quiet forgets all. */
export const ACCOUNT_POLICY: ThrottlePolicy = {
  free: 5,
  baseMs: 1_000,
  capMs: 15 * 60_000,
  forgetPerMs: 5 / 3_600_000,
};
/** Per address or /64 network: 60 failures are free and one more every 2 s; beyond that waits up to 1 min. */
export const ADDRESS_POLICY: ThrottlePolicy = {
  free: 60,
  baseMs: 1_000,
  capMs: 60_000,
  forgetPerMs: 1 / 2_000,
};

/**
 * Wait after a number of failures, in milliseconds: 0 up to `free`, then `baseMs` doubling to `capMs`; never
 * more, so nobody can lock an account for ever.
 */
export function throttleDelayMs(failures: number, { free, baseMs, capMs }: ThrottlePolicy): number {
  const beyond = Math.ceil(failures) - free;
  return beyond <= 0 ? 0 : Math.min(capMs, baseMs * 2 ** Math.min(beyond - 1, 40));
}

/** Failures that still count after a time without any. */
export function decayedFailures(
  failures: number,
  elapsedMs: number,
  { forgetPerMs }: ThrottlePolicy,
): number {
  return Math.max(0, failures - Math.max(0, elapsedMs) * forgetPerMs);
}

/** Slows down those who guess passwords; shared by all processes. */
export interface LoginThrottle {
  /**
   * Counts an attempt as failed before it is made, so that many at once cannot slip through.
   * @throws LoginThrottledError while account or address must wait
   */
  reserve(email: string, ipAddress: string): Promise<void>;
  /** Takes the count back: the password was right. */
  succeeded(email: string, ipAddress: string): Promise<void>;
}

/** Addresses that this process remembers. */
const MAX_REMEMBERED = 10_000;

export function createLoginThrottle(db: Database, databaseTime?: () => Date): LoginThrottle {
  const now = () => databaseTime?.() ?? null;
  const nowMs = () => databaseTime?.().getTime() ?? performance.now();
  /** Until when an address must wait, so that a flood of its guesses does not reach the database. Nothing ends it sooner. */
  const waitsUntil = new Map<string, number>();

  /** Counts one failure and returns 0, or returns the wait that is left and changes nothing. */
  const count = (subject: string, policy: ThrottlePolicy): Promise<number> =>
    db.begin(async (tx) => {
      const { failures, elapsedMs, waitMs } = await lockThrottle(tx, subject, now());
      if (waitMs > 0) return waitMs;
      const counted = decayedFailures(failures, elapsedMs, policy) + 1;
      await saveThrottle(
        tx,
        subject,
        { failures: counted, delayMs: throttleDelayMs(counted, policy) },
        now(),
      );
      return 0;
    });

  const countAddress = async (subject: string): Promise<number> => {
    const knownMs = (waitsUntil.get(subject) ?? 0) - nowMs();
    if (knownMs > 0) return knownMs;
    waitsUntil.delete(subject);
    const waitMs = await count(subject, ADDRESS_POLICY);
    if (waitMs > 0) {
      waitsUntil.set(subject, nowMs() + waitMs);
      const [oldest = ""] = waitsUntil.keys();
      if (waitsUntil.size > MAX_REMEMBERED) waitsUntil.delete(oldest);
    }
    return waitMs;
  };

  return {
    async reserve(email, ipAddress) {
      const waitMs =
        (await countAddress(addressSubject(ipAddress))) ||
        (await count(accountSubject(email), ACCOUNT_POLICY));
      if (waitMs > 0) throw new LoginThrottledError(waitMs);
    },
    async succeeded(email, ipAddress) {
      await clearFailures(db.sql, accountSubject(email), addressSubject(ipAddress));
      await removeOldThrottles(db.sql, now());
    },
  };
}

/** Hashed: what people type into the e-mail field is not always one. */
function accountSubject(email: string): string {
  return `account:${createHash("sha256").update(email).digest("base64url")}`;
}

function addressSubject(ipAddress: string): string {
  return `address:${networkOf(ipAddress)}`;
}
