import type { Database } from "../db/sql.ts";
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../telemetry/logger.ts";
import { createKeyGate, keysOf } from "./keys.ts";
import { lineDepths, nextInLine } from "./line-queries.ts";
import type { Claim, Claimed, Queue, QueueEntry } from "./queue.ts";
import { createTurns } from "./turns.ts";

export interface PostgresQueueDeps<C extends Claimed> {
  readonly db: Database;
  readonly claim: Claim<C>;
  /** Tells workers, here and elsewhere, that these could be begun. */
  readonly wake: (ids: readonly string[]) => void;
  readonly logger: Logger;
  /** Any UUID. */
  readonly newTurn: () => string;
  readonly random: () => number;
}

/** The line as an index on the rows themselves: what is committed is in it, and nothing has to be put there. */
export function createPostgresQueue<C extends Claimed>(deps: PostgresQueueDeps<C>): Queue<C> {
  const { db, claim, wake, logger, newTurn, random } = deps;
  const gate = createKeyGate({ db });
  const turns = new Map<string, ReturnType<typeof createTurns<C>>>();

  const turnsOf = (workerId: string): ReturnType<typeof createTurns<C>> => {
    const known =
      turns.get(workerId) ??
      createTurns<C>({
        newTurn,
        begun: Math.floor(random() * 16),
        claim: async (next) => await claim(workerId, nextInLine(next)),
      });
    turns.set(workerId, known);
    return known;
  };

  /** Lets go on what the keys of these held back. */
  const admit = async (entries: readonly QueueEntry[]): Promise<void> => {
    const keys = keysOf(entries);
    if (keys.length === 0) return;
    try {
      wake((await gate.admit(keys)).map(({ id }) => id));
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "jobs that wait for a concurrency key go on a little later");
    }
  };

  const enqueue = async (entries: readonly QueueEntry[]): Promise<void> => {
    wake(entries.filter(({ parked }) => !parked).map(({ id }) => id));
    await admit(entries.filter(({ parked }) => parked));
  };

  const nack = async (entries: readonly QueueEntry[]): Promise<void> => {
    wake(entries.map(({ id }) => id));
    await admit(entries);
  };

  return {
    backend: "postgres",
    lost: false,
    async start() {},
    async stop() {},
    enqueue,

    async dequeue(workerId, limit) {
      const claimed = await turnsOf(workerId)(limit);
      await gate.makeRoom(
        claimed.map(({ entry }) => entry),
        (admitted) => wake(admitted.map(({ id }) => id)),
        (error) =>
          logger.warn({ error: messageOf(error) }, "jobs whose key is taken stay in the line for now"),
      );
      return claimed;
    },

    ack: admit,
    withdraw: admit,

    nack,
    // The run time of their rows says where they stand.
    release: nack,

    async pause() {},

    async resume() {
      wake(["queue"]);
    },

    async depths() {
      return await lineDepths(db.sql);
    },

    async reconcile() {
      const { admitted, parked } = await gate.sweep();
      wake(admitted.map(({ id }) => id));
      return { restored: 0, admitted: admitted.length, parked };
    },

    async check() {},
  };
}
