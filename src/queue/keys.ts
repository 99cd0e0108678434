import type { Database } from "../db/sql.ts";
import { within } from "../lib/within.ts";
import { admitParked, type Key, PARK_BATCH, parkBlocked, parkedKeys, runningKeys } from "./key-queries.ts";
import type { QueueEntry } from "./queue.ts";
import { readPlace, writePlace } from "./reconcile-queries.ts";

/** Keys of one statement. */
const BATCH = 100;
/** Keys that one reconciliation looks at. */
const SWEPT_KEYS = 5_000;
/** Statements of 1,000 jobs each that park jobs of one batch of keys. */
const MAX_PARKS = 20;
/** Claimed jobs are under a lease and wait to be started. */
const MAKE_ROOM_MS = 500;

/** Who of the jobs with a concurrency key stands in the line. */
export type KeyGate = ReturnType<typeof createKeyGate>;

/**
 * Keeps the line free of jobs that could not begin: of each concurrency key only as many stand in it as there are
 * places, the others are parked. A claim thus never looks through thousands that are held back. Whoever frees a place
 * admits the next; a sweep finds what was forgotten because its process died.
 */
export function createKeyGate({ db }: { db: Database }) {
  // One connection: statements about the same key wait for each other, and none of them keeps a caller waiting.
  const { sql } = db.dedicated({ name: "keys", max: 1, statementTimeoutMs: 10_000 });

  /** Lets the next of these keys into the line, as far as there are places. Answers whom. */
  const admit = async (keys: readonly Key[]): Promise<QueueEntry[]> => {
    const admitted: QueueEntry[] = [];
    for (let at = 0; at < keys.length; at += BATCH)
      admitted.push(...(await admitParked(sql, keys.slice(at, at + BATCH))));
    return admitted;
  };

  /** Puts aside what cannot begin because these keys are taken. Answers how many. */
  const park = async (keys: readonly Key[]): Promise<number> => {
    let parked = 0;
    for (let at = 0; at < keys.length; at += BATCH) {
      const batch = keys.slice(at, at + BATCH);
      // Again while there are more than one statement takes: many delayed jobs of a key come due at once.
      for (let round = 0; round < MAX_PARKS; round++) {
        const some = await parkBlocked(sql, batch);
        parked += some;
        if (some < PARK_BATCH) break;
      }
    }
    return parked;
  };

  return {
    admit,
    park,

    /**
     * After a claim: puts aside what waits for the keys of these jobs, and answers through `admitted` whom that lets go
     * on: those put aside may have stood before one with a higher limit. Waits half a second for it at the most, and
     * never throws; what is left to do then goes on by itself.
     */
    async makeRoom(
      entries: readonly QueueEntry[],
      admitted: (entries: readonly QueueEntry[]) => Promise<void> | void,
      onError: (error: unknown) => void,
    ): Promise<void> {
      const keys = keysOf(entries);
      if (keys.length === 0) return;
      const work = async (): Promise<void> => {
        if ((await park(keys)) > 0) await admitted(await admit(keys));
      };
      await within(MAKE_ROOM_MS, work().catch(onError));
    },

    /** Goes on through all keys, up to 5,000 in one call, from where the last one has stopped in whichever process. */
    async sweep(): Promise<{ admitted: QueueEntry[]; parked: number }> {
      const parked = await park(await runningKeys(sql, SWEPT_KEYS));
      const keys = await parkedKeys(sql, await readPlace(sql, "keys"), SWEPT_KEYS);
      const admitted = await admit(keys.filter(({ free }) => free));
      const last = keys.length === SWEPT_KEYS ? keys.at(-1) : undefined;
      await writePlace(
        sql,
        "keys",
        last ? { ownerId: last.ownerId, concurrencyKey: last.concurrencyKey } : null,
      );
      return { admitted, parked };
    },
  };
}

/** The keys of these jobs, each once. */
export function keysOf(entries: readonly QueueEntry[]): Key[] {
  const keys = new Map<string, Key>();
  for (const { ownerId, concurrencyKey } of entries) {
    if (concurrencyKey !== null)
      keys.set(JSON.stringify([ownerId, concurrencyKey]), { ownerId, concurrencyKey });
  }
  return [...keys.values()];
}
