import { isConnectionLoss } from "../db/sql.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

export interface PersistOptions {
  /** Until when it is of use, by `now`; it may move while it is waited for. */
  until(): number;
  /**
   * The longest wait from the first failure on, in milliseconds, however `until` moves: a statement that always loses its
   * connection must not hold its job for ever.
   */
  readonly longestMs: number;
  /** Nothing is waited for any more once one of these fires. */
  readonly signals: readonly AbortSignal[];
  /** Milliseconds, monotonic. */
  now(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Called once, with the first failure that is waited out. */
  onLoss?(error: unknown): void;
}

/**
 * Does `work` again while the database is away: after 100 ms, doubling to 2 s, a part of it random. `again` tells
 * that an earlier call got no answer and may have been carried out all the same.
 * @throws the last failure when `until` or the longest wait has passed or a signal has fired, and every failure that is no connection loss
 */
export async function persist<T>(work: (again: boolean) => Promise<T>, options: PersistOptions): Promise<T> {
  const { longestMs, signals, now, random, onLoss } = options;
  let lastAt = Number.POSITIVE_INFINITY;
  const until = (): number => Math.min(options.until(), lastAt);
  for (let losses = 0; ; losses++) {
    try {
      return await work(losses > 0);
    } catch (error) {
      if (losses === 0) lastAt = now() + longestMs;
      const isOver = now() >= until() || signals.some(({ aborted }) => aborted);
      if (isOver || !isConnectionLoss(error)) throw error;
      if (losses === 0) onLoss?.(error);
    }
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** losses) * (0.5 + random() / 2);
    // The last try comes just before the end rather than never.
    await pauseFor(Math.max(0, Math.min(pause, until() - now())), signals);
  }
}

/** Waits `ms`, and no longer than until a signal fires. */
async function pauseFor(ms: number, signals: readonly AbortSignal[]): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    for (const signal of signals) {
      signal.addEventListener("abort", end);
      if (signal.aborted) end();
    }
  });
}
