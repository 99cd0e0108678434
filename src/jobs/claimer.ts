import type { Claim, ClaimedJob } from "./lease-queries.ts";
import { type JobPriority, PRIORITIES, priorityRank } from "./model.ts";

/**
 * Of sixteen jobs begun, one is looked for among NORMAL first and one among LOW first, so that neither waits for
 * ever behind higher ones that keep coming; all others go HIGH, NORMAL, LOW.
 */
const ROUND = 16;
const NORMAL_FIRST_AT = 7;
const LOW_FIRST_AT = 15;

export interface ClaimerDeps {
  claim(claim: Pick<Claim, "limit" | "priority" | "after">): Promise<ClaimedJob[]>;
  /** Any UUID: where in the round of owners this process begins, so that processes do not go in step. */
  newTurn: () => string;
}

/** Takes waiting jobs for one process: by priority, with a share for the lower ones, and in turns among owners. */
export function createClaimer({ claim, newTurn }: ClaimerDeps): (limit: number) => Promise<ClaimedJob[]> {
  const turns = new Map<JobPriority, string>();
  let begun = 0;

  const take = async (priority: JobPriority, limit: number): Promise<ClaimedJob[]> => {
    if (limit === 0) return [];
    const after = turns.get(priority) ?? newTurn();
    const claimed = await claim({ priority, limit, after });
    // Where nothing could be begun, the next round starts elsewhere: owners whose jobs are all held back must not
    // keep it from the others.
    turns.set(priority, claimed.at(-1)?.job.ownerId ?? newTurn());
    return claimed;
  };

  return async (limit) => {
    const lowFirst = countOf(LOW_FIRST_AT, begun, limit);
    const normalFirst = countOf(NORMAL_FIRST_AT, begun, limit);
    const claimed = [...(await take("LOW", lowFirst)), ...(await take("NORMAL", normalFirst))];
    for (const priority of PRIORITIES) {
      if (claimed.length === limit) break;
      claimed.push(...(await take(priority, limit - claimed.length)));
    }
    begun += claimed.length;
    return claimed.sort((a, b) => priorityRank(a.job.priority) - priorityRank(b.job.priority));
  };
}

/** How many of the jobs numbered `first` to `first + count - 1` have the place `at` in their round. */
function countOf(at: number, first: number, count: number): number {
  const upTo = (n: number): number => Math.floor((n + ROUND - 1 - at) / ROUND);
  return upTo(first + count) - upTo(first);
}
