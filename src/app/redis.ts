import type { Database } from "../db/sql.ts";
import { installationId } from "../queue/line-queries.ts";
import type { Logger } from "../telemetry/logger.ts";

/** How long a Redis may take to answer before it counts as away. */
export const REDIS_ANSWER_MS = 2_000;

/** A Redis that several installations may share, and what it calls this one. */
export interface FoundRedis {
  readonly urls: readonly string[];
  readonly cluster: boolean;
  readonly name: string;
}

/**
 * Looks at a Redis. One that does not answer is a warning and no error: Postgres stands in until it does.
 * Its client, like all that speaks with Redis, is loaded only where there is one.
 */
export async function findRedis(urls: readonly string[], db: Database, logger: Logger): Promise<FoundRedis> {
  const { isRedisCluster } = await import("../redis/client.ts");
  const [name, { cluster, error }] = await Promise.all([
    installationId(db.sql),
    isRedisCluster(urls, REDIS_ANSWER_MS),
  ]);
  if (error) {
    const hosts = urls.map((url) => new URL(url).host).join(", ");
    logger.warn(
      { redis: hosts },
      `Redis at ${hosts} cannot be used: ${error}. Jobs are taken from PostgreSQL until it answers. Start it, or correct REDIS_URL.`,
    );
  }
  return { urls, cluster, name };
}
