const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * How long each attempt waits after the one before; the first for nothing. Source: Standard Webhooks specification,
 * "Deliverability and reliability".
 */
const WAITS_MS = [
  0,
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
] as const;
export const MAX_ATTEMPTS = WAITS_MS.length;

/** So much more or less, so that what failed together does not come back together. */
const JITTER = 0.2;

/**
 * How long until the next attempt; null when the schedule is at its end.
 * @param made attempts of this schedule so far, 1 or more
 * @param retryAfterMs what the endpoint asked for, if it did; it only makes the wait longer
 * @param random uniform in [0, 1)
 */
export function nextWaitMs(made: number, retryAfterMs: number | undefined, random: number): number | null {
  const wait = WAITS_MS[made];
  if (wait === undefined) return null;
  const spread = Math.round(wait * (1 - JITTER + 2 * JITTER * random));
  return Math.max(spread, retryAfterMs ?? 0);
}

/** What an endpoint's failures so far mean for it. */
export interface EndpointState {
  /** In a row. */
  readonly failures: number;
  /** Milliseconds since the epoch; null after a success. */
  readonly failingSince: number | null;
  /** No attempt before, milliseconds since the epoch. */
  readonly pausedUntil: number;
}

export const HEALTHY: EndpointState = { failures: 0, failingSince: null, pausedUntil: 0 };

/** So many failures in a row, and the endpoint gets a pause instead of more attempts. */
const PAUSE_AFTER = 5;
const FIRST_PAUSE_MS = 30 * SECOND;
const LONGEST_PAUSE_MS = 30 * MINUTE;
const DISABLED_AFTER_MS = 5 * DAY;
/** Five quiet days with one failure at each end are no sign of a dead endpoint. */
const DISABLED_AFTER_FAILURES = 10;

/** The state after one more failure: pauses from the fifth on, each twice as long as the one before, up to half an hour. */
export function afterFailure(state: EndpointState, nowMs: number): EndpointState {
  const failures = state.failures + 1;
  const pauseMs =
    failures < PAUSE_AFTER
      ? 0
      : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - PAUSE_AFTER, 20));
  return { failures, failingSince: state.failingSince ?? nowMs, pausedUntil: nowMs + pauseMs };
}

/** How many attempts may be on their way to it at once. */
export function slotsOf({ failures }: EndpointState): number {
  // One that fails is probed, so that it holds up as little as can be.
  return failures > 0 ? 1 : 4;
}

/** Five days of nothing but failures: nobody is there any more. */
export function isGivenUp({ failures, failingSince }: EndpointState, nowMs: number): boolean {
  return (
    failingSince !== null && failures >= DISABLED_AFTER_FAILURES && nowMs - failingSince >= DISABLED_AFTER_MS
  );
}
