export interface BackoffOptions {
  readonly baseMs: number;
  readonly capMs: number;
  /** Growth from one attempt to the next, 1 or more. */
  readonly multiplier: number;
  /** Uniform in [0, 1). */
  random(): number;
}

/**
 * Delay before the next attempt, in whole milliseconds: uniform in [0, min(capMs, baseMs * multiplier^(attempt - 1))].
 * Source: "Exponential Backoff And Jitter" (full jitter), AWS Architecture Blog, 2015.
 * @param attempt attempts made so far, 1 or more
 * @throws RangeError if `attempt` is below 1
 */
export function backoffMs(attempt: number, { baseMs, capMs, multiplier, random }: BackoffOptions): number {
  if (attempt < 1) throw new RangeError(`attempt must be 1 or more, not ${attempt}`);
  const ceiling = Math.floor(Math.min(capMs, baseMs * multiplier ** Math.min(attempt - 1, 64)));
  return Math.floor(random() * (ceiling + 1));
}
