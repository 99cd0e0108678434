import { connectRedis, isRedisCluster } from "../redis/client.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { QueueEntry } from "./queue.ts";
import { createQueueScripts } from "./redis-scripts.ts";

/** The line in Redis, for whoever looks at it from outside and takes nothing from it. */
export interface RedisLine {
  /** Those of the ids that are neither in the line nor taken. */
  absent(ids: readonly string[]): Promise<string[]>;
  /** Puts those in the line that are not there. */
  offer(entries: readonly QueueEntry[]): Promise<void>;
  close(): void;
}

/** @param name what tells this installation's keys from others. @throws when Redis does not answer in time */
export async function openRedisLine(options: {
  urls: readonly string[];
  name: string;
  timeoutMs: number;
  logger: Logger;
}): Promise<RedisLine> {
  const { urls, name, timeoutMs, logger } = options;
  const { cluster } = await isRedisCluster(urls, timeoutMs);
  const redis = connectRedis(urls, { name: "look", cluster, logger, quiet: true });
  const scripts = createQueueScripts(redis, name);
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("Redis does not answer in time")), timeoutMs);
      redis.once("ready", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  } catch (error) {
    redis.disconnect();
    throw error;
  }
  return {
    absent: scripts.absent,
    async offer(entries) {
      await scripts.push(entries, "missing");
    },
    close: () => redis.disconnect(),
  };
}
