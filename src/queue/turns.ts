import type { NextInLine } from "./line-queries.ts";
import type { Claimed } from "./queue.ts";

/**
 * Of sixteen jobs begun, one is looked for among rank 1 first and one among rank 2 first, so that neither waits for
 * ever behind higher ones that keep coming; all others go 0, 1, 2.
 */
const ROUND = 16;
const RANK_1_FIRST_AT = 7;
const RANK_2_FIRST_AT = 15;

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
  let { begun } = deps;

  /** One statement: jobs of the first of these ranks that has any. */
  const claim = async (ranks: readonly number[], limit: number): Promise<C[]> => {
    const lines = ranks.map((rank) => ({ rank, after: turns[rank] ?? deps.newTurn() }));
    const claimed = await deps.claim({ lines, limit });
    const last = claimed.at(-1)?.entry;
    if (last) turns[last.rank] = last.ownerId;
    return claimed;
  };

  /** Jobs of these ranks, the first ones first. */
  const take = async (ranks: readonly number[], limit: number): Promise<C[]> => {
    if (limit === 0) return [];
    const claimed = await claim(ranks, limit);
    const found = claimed.at(-1)?.entry.rank;
    const rest = found === undefined ? [] : ranks.slice(ranks.indexOf(found) + 1);
    if (claimed.length === limit || rest.length === 0) return claimed;
    return [...claimed, ...(await take(rest, limit - claimed.length))];
  };

  /** Like `take`; looks at each rank by itself when those that come first are all held back or being taken. */
  const takeAny = async (ranks: readonly number[], limit: number): Promise<C[]> => {
    const claimed = await take(ranks, limit);
    if (claimed.length > 0 || limit === 0) return claimed;
    for (const rank of ranks) {
      // The round goes on elsewhere: owners whose jobs are all held back must not keep it from the others.
      turns[rank] = deps.newTurn();
      claimed.push(...(await claim([rank], limit - claimed.length)));
      if (claimed.length === limit) break;
    }
    return claimed;
  };

  return async (limit) => {
    const lowFirst = countOf(RANK_2_FIRST_AT, begun, limit);
    const normalFirst = countOf(RANK_1_FIRST_AT, begun, limit);
    const claimed = [...(await take([2], lowFirst)), ...(await take([1], normalFirst))];
    claimed.push(...(await takeAny([0, 1, 2], limit - claimed.length)));
    begun += claimed.length;
    return claimed.sort((a, b) => a.entry.rank - b.entry.rank);
  };
}

/** How many of the jobs numbered `first` to `first + count - 1` have the place `at` in their round. */
function countOf(at: number, first: number, count: number): number {
  const upTo = (n: number): number => Math.floor((n + ROUND - 1 - at) / ROUND);
  return upTo(first + count) - upTo(first);
}
