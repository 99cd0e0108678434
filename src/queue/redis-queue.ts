import type { Database } from "../db/sql.ts";
import { messageOf } from "../lib/errors.ts";
import { evictionPolicy, type RedisClient } from "../redis/client.ts";
import { HealthError } from "../rpc/health-checks.ts";
import type { Logger } from "../telemetry/logger.ts";
import { createKeyGate, keysOf } from "./keys.ts";
import { isPaused, stillWaiting, theseOf } from "./line-queries.ts";
import type { Claim, Claimed, Queue, QueueEntry } from "./queue.ts";
import { createQueueScripts, RedisQueueError } from "./redis-scripts.ts";
import { createRedisWalk } from "./redis-walk.ts";

export interface RedisQueueDeps<C extends Claimed> {
  readonly db: Database;
  readonly redis: RedisClient;
  /** What tells this installation's keys from those of others. */
  readonly name: string;
  readonly claim: Claim<C>;
  /** Takes jobs while Redis is away. */
  readonly fallback: Queue<C>;
  /** Tells workers, here and elsewhere, that these could be begun. */
  readonly wake: (ids: readonly string[]) => void;
  readonly logger: Logger;
  /** How long a taken id may be on its way to its claim; without it 15 s, longer than the claim may take. */
  readonly holdMs?: number;
}

const HOLD_MS = 15_000;
/** How long Redis is left alone after it has failed. */
const LEAVE_MS = 1_000;
/** Ids taken at once when those before could not be begun. */
const MAX_TAKEN = 256;
/** Takes of one dequeue. */
const MAX_ROUNDS = 20;

/**
 * The line in Redis: ids only, in the order in which they are to begin. What is taken from it is claimed in Postgres,
 * which refuses what does not wait any more; so a line that is old, doubled or empty costs time and nothing else.
 * While Redis is away or not yet complete, jobs are taken from Postgres.
 */
export function createRedisQueue<C extends Claimed>(deps: RedisQueueDeps<C>): Queue<C> {
  const { db, redis, claim, fallback, wake, logger, holdMs = HOLD_MS } = deps;
  const scripts = createQueueScripts(redis, deps.name);
  const walk = createRedisWalk({ db, scripts });
  const gate = createKeyGate({ db });
  let lost = true;
  let isMending = false;
  let awayUntil = 0;

  const isUp = (): boolean => redis.status === "ready" && performance.now() >= awayUntil;

  const leave = (error: unknown): void => {
    if (!(error instanceof RedisQueueError)) {
      // Postgres failed. Whatever was taken comes back when its time is over.
      logger.warn({ error: messageOf(error) }, "jobs that were not begun could not be given back at once");
      return;
    }
    if (isUp())
      logger.warn({ error: messageOf(error) }, "the queue in Redis failed; jobs come from PostgreSQL");
    awayUntil = performance.now() + LEAVE_MS;
    lost = true;
  };

  /** Tells Redis something that may be lost: it then is found by the reconciliation. */
  const tell = async (what: () => Promise<unknown>): Promise<void> => {
    if (!isUp()) {
      lost = true;
      return;
    }
    try {
      await what();
    } catch (error) {
      leave(error);
    }
  };

  const push = async (
    entries: readonly QueueEntry[],
    place: "always" | "front" = "always",
  ): Promise<void> => {
    const line = entries.filter(({ parked }) => !parked);
    if (line.length === 0) return;
    await tell(() => scripts.push(line, place));
    wake(line.map(({ id }) => id));
  };

  const admit = async (entries: readonly QueueEntry[]): Promise<void> => {
    const keys = keysOf(entries);
    if (keys.length === 0) return;
    try {
      await push(await gate.admit(keys));
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "jobs that wait for a concurrency key go on a little later");
    }
  };

  /** Decides about taken ids that were not begun. */
  const giveBack = async (taken: readonly string[], begun: readonly C[]): Promise<void> => {
    const done = new Set(begun.map(({ entry }) => entry.id));
    const rest = taken.filter((id) => !done.has(id));
    if (rest.length === 0) return await scripts.settle([...done], []);
    let waiting = await stillWaiting(db.sql, rest);
    const keys = keysOf(waiting);
    if (keys.length > 0 && (await gate.park(keys)) > 0) waiting = await stillWaiting(db.sql, rest);
    const front = waiting.filter(({ parked, isDue }) => !parked && isDue).map(({ id }) => id);
    const later = waiting.filter(({ parked, isDue }) => !parked && !isDue);
    const stay = new Set([...front, ...later.map(({ id }) => id)]);
    await scripts.settle([...done, ...rest.filter((id) => !stay.has(id))], front);
    await scripts.push(later, "later");
  };

  /** Adds jobs that Redis gives to `claimed`. */
  const takeFromRedis = async (claimed: C[], workerId: string, limit: number): Promise<void> => {
    let wanted = limit;
    for (let round = 0; round < MAX_ROUNDS && claimed.length < limit && isUp(); round++) {
      let taken: Awaited<ReturnType<typeof scripts.take>>;
      try {
        taken = await scripts.take(wanted, holdMs);
      } catch (error) {
        leave(error);
        break;
      }
      if (!taken.complete) {
        // Unless that is being mended: then it is known at the end of it whether all are there.
        if (!isMending) lost = true;
        break;
      }
      if (taken.ids.length === 0) break;
      const begun = await claim(workerId, theseOf(taken.ids, limit - claimed.length)).catch((error) => {
        // Postgres failed; others may be luckier before the time of these is over.
        scripts.settle([], taken.ids).catch(leave);
        throw error;
      });
      claimed.push(...begun);
      const settled = giveBack(taken.ids, begun).catch(leave);
      // What is refused stays taken until that is settled: the next take would else bring the same.
      if (begun.length < taken.ids.length) await settled;
      wanted = begun.length === 0 ? Math.min(MAX_TAKEN, wanted * 4) : limit - claimed.length;
    }
  };

  const dequeue = async (workerId: string, limit: number): Promise<C[]> => {
    const claimed: C[] = [];
    try {
      await takeFromRedis(claimed, workerId, limit);
      // Redis may lack what others could not tell it, or be full of what is done: Postgres knows in one look.
      if (claimed.length === 0 || (claimed.length < limit && (lost || !isUp()))) {
        claimed.push(...(await fallback.dequeue(workerId, limit - claimed.length)));
      }
    } catch (error) {
      // What was claimed before is held under a lease, and must be run.
      if (claimed.length === 0) throw error;
    }
    return claimed;
  };

  /** Compares Redis with the rows. Answers how many jobs it missed. */
  const mend = async (): Promise<number> => {
    const everything = lost;
    try {
      const complete = await scripts.mark(await isPaused(db.sql), null);
      if (!everything && complete) return await walk.stretch();
      isMending = true;
      lost = false;
      const walked = await walk.whole();
      if (!walked.complete) lost = true;
      return walked.restored;
    } catch (error) {
      lost = true;
      if (error instanceof RedisQueueError) leave(error);
      throw error;
    } finally {
      isMending = false;
    }
  };

  /** Null when it does not evict, or does not say. */
  const evicting = async (): Promise<string | null> => {
    const policy = await evictionPolicy(redis);
    return policy === "noeviction" ? null : policy;
  };

  const warnOfEviction = async (): Promise<void> => {
    const policy = await evicting().catch(() => null);
    if (policy)
      logger.warn(
        { policy },
        `${evictionSentence(policy)} Jobs are safe in PostgreSQL, but they wait longer.`,
      );
  };

  const onReady = (): void => {
    lost = true;
    void warnOfEviction();
  };

  return {
    backend: "redis",

    get lost() {
      return lost && isUp();
    },

    async start() {
      redis.on("ready", onReady);
      if (redis.status === "ready") onReady();
    },

    async stop() {
      redis.off("ready", onReady);
      redis.disconnect();
    },

    async enqueue(entries) {
      await push(entries);
      await admit(entries.filter(({ parked }) => parked));
    },

    async dequeue(workerId, limit) {
      const claimed = await dequeue(workerId, limit);
      await gate.makeRoom(
        claimed.map(({ entry }) => entry),
        (admitted) => push(admitted),
        (error) =>
          logger.warn({ error: messageOf(error) }, "jobs whose key is taken stay in the line for now"),
      );
      return claimed;
    },

    ack: admit,

    async withdraw(entries) {
      await tell(() => scripts.withdraw(entries.map(({ id }) => id)));
      await admit(entries);
    },

    async nack(entries) {
      await push(entries);
      await admit(entries);
    },

    async release(entries) {
      await push(entries, "front");
      await admit(entries);
    },

    async pause() {
      await tell(() => scripts.mark(true, null));
    },

    async resume() {
      await tell(() => scripts.mark(false, null));
      wake(["queue"]);
    },

    async depths() {
      return await scripts.depths();
    },

    async reconcile() {
      // Whatever becomes of the line, jobs whose key got free go on.
      const [line, keys] = await Promise.allSettled([isUp() ? mend() : 0, gate.sweep()]);
      if (keys.status === "fulfilled") await push(keys.value.admitted);
      if (line.status === "rejected") throw line.reason;
      if (keys.status === "rejected") throw keys.reason;
      if (line.value > 0) wake(["queue"]);
      const { admitted, parked } = keys.value;
      return { restored: line.value, admitted: admitted.length, parked };
    },

    async check() {
      await redis.ping();
      const policy = await evicting();
      if (policy) throw new HealthError(evictionSentence(policy));
    },
  };
}

function evictionSentence(policy: string): string {
  return `Redis forgets keys when its memory is full (maxmemory-policy is ${policy}): set it to noeviction.`;
}
