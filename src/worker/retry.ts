import type { JobError } from "../jobs/model.ts";
import { backoffMs } from "../lib/backoff.ts";

const BACKOFF = { baseMs: 1_000, capMs: 60_000, multiplier: 2 };

const LONGEST_RETRY_AFTER_MS = 3_600_000;

/**
 * How long a job waits before its next attempt, in milliseconds, or null when it has failed for good: the
 * failure cannot be mended by trying again, or the attempts are used up. Retries of a stage within an attempt are
 * another thing, which the runner of pipelines sees to.
 */
export function nextAttemptInMs(
  failure: {
    error: JobError;
    attempt: number;
    maxAttempts: number;
    /** What whoever failed asks for; no more than an hour of it is waited. */
    retryAfterMs?: number | undefined;
  },
  random: () => number,
): number | null {
  if (!failure.error.retryable || failure.attempt >= failure.maxAttempts) return null;
  return Math.max(
    backoffMs(failure.attempt, { ...BACKOFF, random }),
    Math.min(failure.retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS),
  );
}
