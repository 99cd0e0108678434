import { randomUUID } from "node:crypto";
import type { Database } from "../db/sql.ts";
import type { EventBus } from "../events/bus.ts";
import { createClaims } from "../jobs/claims.ts";
import type { ClaimedJob } from "../jobs/leases.ts";
import type { Cleanup } from "../lib/cleanup.ts";
import { createPostgresQueue } from "../queue/postgres-queue.ts";
import type { Queue } from "../queue/queue.ts";
import { createReconciler } from "../queue/reconciler.ts";
import type { RedisQueueDeps } from "../queue/redis-queue.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { FoundRedis } from "./redis.ts";

/** How often lost jobs and jobs missing in the queue are looked for. */
export const SWEEP_MS = 5_000;

/** The queue in Redis, with the one in Postgres behind it, or the latter alone; and its reconciliation. */
export async function startQueue(
  deps: { db: Database; bus: EventBus; redis: FoundRedis | null; leaseMs: number; logger: Logger },
  cleanup: Cleanup,
): Promise<Queue<ClaimedJob>> {
  const { db, bus, redis, logger } = deps;
  const claim = createClaims(deps);
  const wake = (ids: readonly string[]): void => bus.announce("work", ids);
  const parts = { db, claim, wake, logger, newTurn: randomUUID, random: Math.random };
  const postgres = createPostgresQueue(parts);
  const queue = redis ? await overRedis(redis, { ...parts, fallback: postgres }) : postgres;
  await queue.start();
  cleanup.add("queue", () => queue.stop());
  const reconciler = createReconciler({ db, queue, intervalMs: SWEEP_MS, logger });
  await reconciler.start();
  cleanup.add("reconciler", () => reconciler.stop());
  return queue;
}

async function overRedis(
  { urls, cluster, name }: FoundRedis,
  parts: Omit<RedisQueueDeps<ClaimedJob>, "redis" | "name">,
): Promise<Queue<ClaimedJob>> {
  const [{ createRedisQueue }, { connectRedis }] = await Promise.all([
    import("../queue/redis-queue.ts"),
    import("../redis/client.ts"),
  ]);
  const redis = connectRedis(urls, { name: "queue", cluster, logger: parts.logger });
  return createRedisQueue({ ...parts, redis, name });
}
