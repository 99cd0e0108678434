import type { Cleanup } from "../lib/cleanup.ts";
import { monotonicMs } from "../lib/clock.ts";
import type { RedisClient } from "../redis/client.ts";
import { createRedisBuckets } from "../redis/rate-buckets.ts";
import { createRateLimits, type RateLimits } from "../rpc/rates/rate-limits.ts";
import { createPostgresRates } from "../rpc/rates/rate-queries.ts";
import { createRedisRates } from "../rpc/rates/redis-rates.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Core } from "./core.ts";
import type { FoundRedis } from "./redis.ts";

/** What lets in so many calls of an address or a user, on all servers together. */
export async function startRateLimits(
  { config, db, redis, metrics, logger }: Core,
  cleanup: Cleanup,
): Promise<RateLimits> {
  const client = redis && (await connect(redis, logger));
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

async function connect({ urls, cluster }: FoundRedis, logger: Logger): Promise<RedisClient> {
  const { connectRedis } = await import("../redis/client.ts");
  return connectRedis(urls, { name: "rates", cluster, logger, quiet: true });
}
