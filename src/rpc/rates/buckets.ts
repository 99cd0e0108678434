/** How often something may happen: evenly so often a second, and `burst` times at once after a time of quiet. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Tokens that this process has spent and not told the others yet. */
export interface Spending {
  readonly key: string;
  readonly spent: number;
}

export interface TokenBuckets {
  readonly rate: Rate;
  /** Takes a token and returns 0, or the time in milliseconds until there is one. */
  take(key: string): number;
  /** Those that have spent enough to be settled, up to `limit`. */
  due(limit: number): Spending[];
  /** `level` is what all processes together have left after this spending; below 0 it is a debt. */
  settled(spending: Spending, level: number): void;
  readonly size: number;
}

interface Bucket {
  tokens: number;
  spent: number;
  atMs: number;
}

/** Part of a burst that may be spent before the other processes are told. */
const UNTOLD = 0.1;

/**
 * A token bucket for each key, in this process alone: a decision is a look into a map. What is spent is kept until it is
 * settled with the buckets that all processes share. When there are more than `maxKeys`, the one that was used longest
 * ago is forgotten.
 */
export function createTokenBuckets(
  rate: Rate,
  { now, maxKeys }: { readonly now: () => number; readonly maxKeys: number },
): TokenBuckets {
  const { perSecond, burst } = rate;
  // In the order of use.
  const buckets = new Map<string, Bucket>();
  const dueKeys = new Set<string>();
  const batch = Math.max(1, burst * UNTOLD);

  const refill = (bucket: Bucket, nowMs: number) => {
    const elapsedMs = Math.max(0, nowMs - bucket.atMs);
    bucket.tokens = Math.min(burst, bucket.tokens + (elapsedMs / 1_000) * perSecond);
    bucket.atMs = nowMs;
  };

  const forgetOldest = () => {
    const oldest = buckets.keys().next().value as string;
    buckets.delete(oldest);
    dueKeys.delete(oldest);
  };

  return {
    rate,
    take(key) {
      const nowMs = now();
      const bucket = buckets.get(key) ?? { tokens: burst, spent: 0, atMs: nowMs };
      buckets.delete(key);
      buckets.set(key, bucket);
      if (buckets.size > maxKeys) forgetOldest();
      refill(bucket, nowMs);
      if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) / perSecond) * 1_000);
      bucket.tokens--;
      bucket.spent++;
      if (bucket.spent >= batch) dueKeys.add(key);
      return 0;
    },
    due(limit) {
      const spendings: Spending[] = [];
      for (const key of dueKeys) {
        if (spendings.length === limit) break;
        spendings.push({ key, spent: buckets.get(key)?.spent ?? 0 });
      }
      return spendings;
    },
    settled({ key, spent }, level) {
      const bucket = buckets.get(key);
      if (!bucket) return;
      // Less has been spent if it was forgotten meanwhile, and is a new one.
      bucket.spent = Math.max(0, bucket.spent - spent);
      if (bucket.spent < batch) dueKeys.delete(key);
      // What was spent since the settlement began is not in the level yet.
      bucket.tokens = Math.min(burst, level) - bucket.spent;
      bucket.atMs = now();
    },
    get size() {
      return buckets.size;
    },
  };
}
