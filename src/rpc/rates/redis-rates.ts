import type { RedisBuckets } from "../../redis/rate-buckets.ts";
import { MAX_DEBT_SECONDS, type RateStore } from "./store.ts";

/** Shared buckets in Redis, which forgets the full ones by itself. */
export function createRedisRates(buckets: RedisBuckets): RateStore {
  return {
    settle: (spendings, { perSecond, burst }) =>
      buckets.settle(spendings, { perSecond, burst, floor: -perSecond * MAX_DEBT_SECONDS }),
    clean: async () => {},
  };
}
