import { randomUUID } from "node:crypto";
import type { Database } from "../../src/db/sql.ts";
import type { EventBus } from "../../src/events/bus.ts";
import { createClaims } from "../../src/jobs/claims.ts";
import type { ClaimedJob } from "../../src/jobs/leases.ts";
import { installationId } from "../../src/queue/line-queries.ts";
import { createPostgresQueue } from "../../src/queue/postgres-queue.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { createRedisQueue } from "../../src/queue/redis-queue.ts";
import { connectRedis, type RedisClient } from "../../src/redis/client.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { until } from "./until.ts";

const logger = createLogger("silent");

export interface TestQueueRedis {
  readonly urls: readonly string[];
  readonly cluster: boolean;
  /** How long a taken id may be on its way to its claim. */
  readonly holdMs?: number;
  /** No job is taken from Postgres instead. */
  readonly alone?: boolean;
  /** How far the clock by which its scripts go is behind. */
  readonly behindMs?: number;
}

function partsOf(db: Database, bus: EventBus, leaseMs: number) {
  return {
    db,
    claim: createClaims({ db, leaseMs }),
    wake: (ids: readonly string[]) => bus.announce("work", ids),
    logger,
    newTurn: randomUUID,
    random: () => 0,
  };
}

/** The queue in Postgres, with claims over these connections. */
export function postgresQueueOn(db: Database, bus: EventBus, leaseMs: number): Queue<ClaimedJob> {
  return createPostgresQueue(partsOf(db, bus, leaseMs));
}

/** The queue in Redis, reconciled once, so that it is used from the beginning. */
export async function redisQueueOn(
  db: Database,
  bus: EventBus,
  leaseMs: number,
  { urls, cluster, alone, behindMs, ...rest }: TestQueueRedis,
): Promise<Queue<ClaimedJob>> {
  const parts = partsOf(db, bus, leaseMs);
  const redis = connectRedis(urls, { name: "test", cluster, logger });
  if (behindMs !== undefined) setBack(redis, behindMs);
  const postgres = createPostgresQueue(parts);
  const queue = createRedisQueue({
    ...parts,
    ...rest,
    redis,
    name: await installationId(db.sql),
    fallback: alone ? { ...postgres, dequeue: async () => [] } : postgres,
  });
  await queue.start();
  await until(async () => redis.status === "ready", "Redis is connected");
  await queue.reconcile();
  return queue;
}

/**
 * Lets the scripts that are defined from here on go by a clock that is behind, as on a machine whose clock is wrong: a
 * server cannot be given another time than its machine's.
 */
function setBack(redis: RedisClient, behindMs: number): void {
  const define = redis.defineCommand.bind(redis);
  redis.defineCommand = (name, definition) => {
    const lua = definition.lua?.replace("return time[1] * 1000", `return time[1] * 1000 - ${behindMs}`);
    if (lua === undefined || lua === definition.lua) throw new Error(`the script ${name} tells no time`);
    define(name, { ...definition, lua });
  };
}
