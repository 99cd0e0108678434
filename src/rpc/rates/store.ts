import type { Rate, Spending } from "./buckets.ts";

/** The buckets that all processes share. */
export interface RateStore {
  /**
   * Takes what was spent out of the shared buckets, which fill by themselves, and answers what each holds then, in the
   * same order. It may be below 0: processes decide by what they know, and their excess is paid back later.
   */
  settle(spendings: readonly Spending[], rate: Rate): Promise<number[]>;
  /** Removes buckets that have been full for long. */
  clean(): Promise<void>;
}

/** The greatest debt, in seconds: nobody waits longer. */
export const MAX_DEBT_SECONDS = 60;
