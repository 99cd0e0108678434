import { Redis } from "ioredis";
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../telemetry/logger.ts";

export type RedisClient = Redis;

/**
 * A connection that comes back by itself, for ever and with growing pauses. Commands fail at once while it is
 * away instead of gathering in memory.
 */
export function connectRedis(url: string, deps: { name: string; logger: Logger }): RedisClient {
  const client = new Redis(url, {
    connectionName: `sluice:${deps.name}`,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 5_000,
    retryStrategy: (times) => Math.min(5_000, 50 * 2 ** Math.min(times, 10)),
  });
  let away = false;
  client.on("error", (error) => {
    // One line each time it goes away, not one each try.
    if (!away)
      deps.logger.warn({ error: messageOf(error) }, "Redis does not answer; work goes on without it");
    away = true;
  });
  client.on("ready", () => {
    if (away) deps.logger.info({}, "Redis is back");
    away = false;
  });
  return client;
}
