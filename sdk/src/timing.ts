/** Time and chance, given so that tests can hold them. */
export interface Timing {
  readonly now: () => number;
  readonly random: () => number;
  /** Resolves after `ms`; rejects with the signal's reason as soon as it fires. */
  readonly sleep: (ms: number, signal?: AbortSignal | undefined) => Promise<void>;
}

export const systemTiming: Timing = {
  now: () => performance.now(),
  random: Math.random,
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const end = () => {
        signal?.removeEventListener("abort", stop);
        resolve();
      };
      const timer = setTimeout(end, ms);
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", stop, { once: true });
    }),
};

/**
 * Delay before the next attempt in milliseconds: uniform in [0, min(capMs, baseMs * 2^(attempt - 1))].
 * Source: "Exponential Backoff And Jitter" (full jitter), AWS Architecture Blog, 2015.
 * @param attempt attempts made so far, 1 or more
 */
export function backoffMs(attempt: number, baseMs: number, capMs: number, random: () => number): number {
  return random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt - 1, 30));
}
