import type { NextInLine } from "./line-queries.ts";
import type { Claimed } from "./queue.ts";

/**
 * Of sixteen jobs begun, one is looked for among rank 1 first and one among rank 2 first, so that neither waits for
 * ever behind higher ones that keep coming; all others go 0, 1, 2.
 */
const ROUND = 16;
const RANK_1_FIRST_AT = 7;
const RANK_2_FIRST_AT = 15;
const RANKS = [0, 1, 2];

export interface TurnsDeps<C extends Claimed> {
  claim(next: NextInLine): Promise<C[]>;
  /** Any UUID: where in the round of owners this process begins, so that processes do not go in step. */
  newTurn: () => string;
  /** How many of a round this process takes as begun, 0 to 15; so that one that restarts often leaves none out. */
  begun: number;
}

/** Takes waiting jobs for one process: by rank, with a share for the lower ones, and in turns among owners. */
export function createTurns<C extends Claimed>(deps: TurnsDeps<C>): (limit: number) => Promise<C[]> {
  const turns = new Map<number, string>();
  let { begun } = deps;

  const take = async (rank: number, limit: number): Promise<C[]> => {
    if (limit === 0) return [];
    const after = turns.get(rank) ?? deps.newTurn();
    const claimed = await deps.claim({ rank, limit, after });
    // Where nothing could be begun, the next round starts elsewhere: owners whose jobs are all held back must not
    // keep it from the others.
    turns.set(rank, claimed.at(-1)?.entry.ownerId ?? deps.newTurn());
    return claimed;
  };

  return async (limit) => {
    const claimed = [
      ...(await take(2, countOf(RANK_2_FIRST_AT, begun, limit))),
      ...(await take(1, countOf(RANK_1_FIRST_AT, begun, limit))),
    ];
    for (const rank of RANKS) {
      if (claimed.length === limit) break;
      claimed.push(...(await take(rank, limit - claimed.length)));
    }
    begun += claimed.length;
    return claimed.sort((a, b) => a.entry.rank - b.entry.rank);
  };
}

/** How many of the jobs numbered `first` to `first + count - 1` have the place `at` in their round. */
function countOf(at: number, first: number, count: number): number {
  const upTo = (n: number): number => Math.floor((n + ROUND - 1 - at) / ROUND);
  return upTo(first + count) - upTo(first);
}
