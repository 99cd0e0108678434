import { readFileSync } from "node:fs";
import { messageOf } from "../lib/errors.ts";
import type { RedisClient } from "../redis/client.ts";
import type { LineDepth, QueueEntry } from "./queue.ts";

const NAMES = ["push", "take", "settle", "withdraw", "begin", "mark", "depths", "absent"] as const;
type Name = (typeof NAMES)[number];

/** Jobs of one script call: Redis does nothing else while it runs. */
const BATCH = 500;
/** Redis answers in less than a millisecond, or something is wrong. */
const ANSWER_MS = 2_000;

const source = (name: string): string =>
  readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), "utf8");

/** Redis has not done it, or has not said so in time. */
export class RedisQueueError extends Error {
  override name = "RedisQueueError";
}

export type QueueScripts = ReturnType<typeof createQueueScripts>;

/**
 * The line in Redis, each verb an atomic script. All keys carry one hash tag, so that they lie on one node of a
 * cluster. @param name what tells this installation's keys from others in the same Redis
 */
export function createQueueScripts(redis: RedisClient, name: string) {
  const ranks = (key: string): string[] => [0, 1, 2].map((rank) => `{sluice:${name}}:${key}:${rank}`);
  const one = (key: string): string => `{sluice:${name}}:${key}`;
  const keys = [
    ...ranks("ready"),
    ...ranks("delayed"),
    one("taken"),
    one("entries"),
    ...ranks("turns"),
    one("state"),
  ];
  const shared = source("keys");
  for (const script of NAMES) {
    redis.defineCommand(`sluice_${script}`, { numberOfKeys: keys.length, lua: shared + source(script) });
  }
  const commands = redis as unknown as Record<
    string,
    (...args: readonly (string | number)[]) => Promise<unknown>
  >;

  // The driver's own limit of time does not hold for commands to a cluster that wait for a node.
  const call = async <T>(script: Name, args: readonly (string | number)[]): Promise<T> => {
    let timer: NodeJS.Timeout | undefined;
    const silent = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new RedisQueueError(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS);
    });
    const answer = commands[`sluice_${script}`]?.(...keys, ...args) as Promise<T>;
    answer.catch(() => {});
    try {
      return await Promise.race([answer, silent]);
    } catch (error) {
      throw error instanceof RedisQueueError
        ? error
        : new RedisQueueError(messageOf(error), { cause: error });
    } finally {
      clearTimeout(timer);
    }
  };

  return {
    /**
     * Puts jobs in the line; with `front` before all that waits, with `missing` only those that are neither there nor
     * taken, with `later` not before half a second has gone. Answers how many.
     */
    async push(
      entries: readonly QueueEntry[],
      mode: "always" | "front" | "missing" | "later",
    ): Promise<number> {
      let put = 0;
      for (let at = 0; at < entries.length; at += BATCH) {
        const args = entries
          .slice(at, at + BATCH)
          .flatMap(({ id, rank, ownerId, runTime, isDue }) => [
            id,
            rank,
            ownerId,
            isDue ? 0 : runTime.getTime(),
          ]);
        put += await call<number>("push", [mode, ...args]);
      }
      return put;
    },

    /** Takes up to `limit` ids, at most 500, each for `holdMs`. `complete` is false after Redis has lost something. */
    async take(limit: number, holdMs: number): Promise<{ complete: boolean; ids: string[] }> {
      const [complete, ...ids] = await call<string[]>("take", [Math.min(limit, BATCH), holdMs]);
      return { complete: complete === "complete", ids };
    },

    /** `done` leave the queue, `front` go back to the front of the line; both only if they are still taken. */
    async settle(done: readonly string[], front: readonly string[]): Promise<void> {
      if (done.length + front.length > 0) await call("settle", [done.length, ...done, ...front]);
    },

    async withdraw(ids: readonly string[]): Promise<void> {
      for (let at = 0; at < ids.length; at += BATCH) await call("withdraw", ids.slice(at, at + BATCH));
    },

    /** Those of the ids that are neither in the line nor taken. */
    async absent(ids: readonly string[]): Promise<string[]> {
      const found: string[] = [];
      for (let at = 0; at < ids.length; at += BATCH) {
        found.push(...(await call<string[]>("absent", ids.slice(at, at + BATCH))));
      }
      return found;
    },

    /** Before every waiting job is offered: answers a name for that, which Redis loses with whatever else it loses. */
    async begin(): Promise<string> {
      return await call<string>("begin", []);
    },

    /**
     * Notes whether the queue is paused and, with the name of what was begun, that every waiting job has been offered
     * since. Answers whether all are here, as far as Redis knows.
     */
    async mark(paused: boolean, begun: string | null): Promise<boolean> {
      return (await call<number>("mark", [paused ? "paused" : "running", begun ?? ""])) === 1;
    },

    async depths(): Promise<LineDepth[]> {
      const counts = await call<number[]>("depths", []);
      return [0, 1, 2].map((rank) => ({
        rank,
        waiting: counts[2 * rank] ?? 0,
        delayed: counts[2 * rank + 1] ?? 0,
      }));
    },
  };
}
