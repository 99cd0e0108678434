import type { Cleanup } from "../lib/cleanup.ts";
import { monotonicMs } from "../lib/clock.ts";
import { connectRedis } from "../redis/client.ts";
import { createRedisBuckets } from "../redis/rate-buckets.ts";
import { createRateLimits, type RateLimits } from "../rpc/rates/rate-limits.ts";
import { createPostgresRates } from "../rpc/rates/rate-queries.ts";
import { createRedisRates } from "../rpc/rates/redis-rates.ts";
import type { Core } from "./core.ts";

/** What lets in so many calls of an address or a user, on all servers together. */
export async function startRateLimits(
  { config, db, redis, metrics, logger }: Core,
  cleanup: Cleanup,
): Promise<RateLimits> {
  const client =
    redis && connectRedis(redis.urls, { name: "rates", cluster: redis.cluster, logger, quiet: true });
  if (client) cleanup.add("rates in Redis", async () => client.disconnect());
  const rates = createRateLimits({
    ...config.rates,
    store: client ? createRedisRates(createRedisBuckets(client, redis.name)) : createPostgresRates(db.sql),
    now: monotonicMs,
    metrics,
    logger,
  });
  await rates.start();
  cleanup.add("rates", () => rates.stop());
  return rates;
}
