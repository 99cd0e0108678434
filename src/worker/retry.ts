import type { JobError } from "../jobs/model.ts";
import { backoffMs } from "../lib/backoff.ts";
import { DEFAULT_RETRY, type StageConfig } from "../pipelines/model.ts";

/**
 * How long a job waits before its next attempt, in milliseconds, or null when it has failed for good: the
 * failure cannot be mended by trying again, or the attempts are used up.
 */
export function nextAttemptInMs(
  failure: { error: JobError; attempt: number; maxAttempts: number; stage: StageConfig | null },
  random: () => number,
): number | null {
  if (!failure.error.retryable) return null;
  const policy = { ...DEFAULT_RETRY, ...failure.stage?.retry };
  const allowed =
    policy.maxAttempts > 0 ? Math.min(policy.maxAttempts, failure.maxAttempts) : failure.maxAttempts;
  if (failure.attempt >= allowed) return null;
  return backoffMs(failure.attempt, {
    baseMs: policy.initialBackoffMs,
    capMs: policy.maxBackoffMs,
    multiplier: policy.multiplier,
    random,
  });
}
