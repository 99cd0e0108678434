import type { NextInLine } from "./line-queries.ts";
import type { Claimed } from "./queue.ts";

/**
 * Of sixteen jobs begun, one is looked for among rank 1 first and one among rank 2 first, so that neither waits for
 * ever behind higher ones that keep coming; all others go 0, 1, 2.
 */
const ROUND = 16;
const HIGH_FIRST = [0, 1, 2];
const LOWER_FIRST = [
  { order: [2, 0, 1], startsAt: 0 },
  { order: [1, 0, 2], startsAt: ROUND / 2 },
];

export interface TurnsDeps<C extends Claimed> {
  claim(next: NextInLine): Promise<C[]>;
  /** Any UUID: where in the round of owners this process begins, so that processes do not go in step. */
  newTurn: () => string;
  /** How many of a round this process takes as begun, 0 to 15; so that one that restarts often leaves none out. */
  begun: number;
}

/** Takes waiting jobs for one process: by rank, with a share for the lower ones, and in turns among owners. */
export function createTurns<C extends Claimed>(deps: TurnsDeps<C>): (limit: number) => Promise<C[]> {
  const turns = [deps.newTurn(), deps.newTurn(), deps.newTurn()];
  /** For each order of `LOWER_FIRST`, how much it may take, in sixteenths of a job. */
  const shares = LOWER_FIRST.map(({ startsAt }) => 1 + ((deps.begun + startsAt) % ROUND));

  /**
   * How many of a claim of `limit` jobs the share at `index` takes now, of `left` that are not taken. A small claim
   * goes to one order as a whole, and the share saves up for it: one statement instead of several.
   */
  const spend = (index: number, limit: number, left: number): number => {
    const due = Math.floor(((shares[index] ?? 0) + limit - 1) / ROUND);
    const jobs = limit < ROUND && due < limit ? 0 : Math.min(due, left);
    shares[index] = (shares[index] ?? 0) - jobs * ROUND;
    return jobs;
  };

  /** One statement: jobs of the first of these ranks that has any. */
  const claim = async (ranks: readonly number[], limit: number): Promise<C[]> => {
    const lines = ranks.map((rank) => ({ rank, after: turns[rank] ?? deps.newTurn() }));
    const claimed = await deps.claim({ lines, limit });
    const last = claimed.at(-1)?.entry;
    if (last) turns[last.rank] = last.ownerId;
    return claimed;
  };

  /** Adds up to `most` jobs of these ranks to `claimed`, the first ones first. */
  const take = async (claimed: C[], ranks: readonly number[], most: number): Promise<void> => {
    for (let rest = ranks, left = most; left > 0 && rest.length > 0; ) {
      const found = await claim(rest, left);
      claimed.push(...found);
      left -= found.length;
      const rank = found.at(-1)?.entry.rank;
      rest = rank === undefined ? [] : rest.slice(rest.indexOf(rank) + 1);
    }
  };

  /** Looks at each rank by itself: the one that comes first may have jobs that are all held back or being taken. */
  const takeEach = async (claimed: C[], ranks: readonly number[], limit: number): Promise<void> => {
    for (const rank of ranks) {
      if (claimed.length === limit) return;
      // The round goes on elsewhere: owners whose jobs are all held back must not keep it from the others.
      turns[rank] = deps.newTurn();
      claimed.push(...(await claim([rank], limit - claimed.length)));
    }
  };

  return async (limit) => {
    const claimed: C[] = [];
    try {
      for (const [index, { order }] of LOWER_FIRST.entries())
        await take(claimed, order, spend(index, limit, limit - claimed.length));
      await take(claimed, HIGH_FIRST, limit - claimed.length);
      if (claimed.length === 0) await takeEach(claimed, HIGH_FIRST, limit);
    } catch (error) {
      // What was claimed before is held under a lease, and must be run.
      if (claimed.length === 0) throw error;
    }
    shares.forEach((share, index) => {
      shares[index] = share + claimed.length;
    });
    return claimed.sort((a, b) => a.entry.rank - b.entry.rank);
  };
}
