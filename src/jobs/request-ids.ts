import type { WalledTransaction } from "../db/sql.ts";
import { RequestIdReusedError } from "./errors.ts";
import type { Job } from "./model.ts";
import { findByRequestIds, type NewJob, releaseRequestIds } from "./queries.ts";

interface Item {
  readonly job: NewJob;
}

/** One request id of one owner; empty without one. */
const keyOf = ({ ownerId, requestId }: Pick<NewJob, "ownerId" | "requestId">): string =>
  requestId ? `${ownerId} ${requestId}` : "";

/**
 * The answers to the items whose request id made a job in the last 24 hours, by the id that their own would have: that job
 * or, when it was made for something else, the error. Older request ids are free again.
 */
export async function findRepeated(
  tx: WalledTransaction,
  items: readonly Item[],
): Promise<Map<string, Job | RequestIdReusedError>> {
  const asked = items.flatMap(({ job: { id, ownerId, requestId, requestHash } }) =>
    requestId === null ? [] : { id, ownerId, requestId, requestHash },
  );
  if (asked.length === 0) return new Map();
  const found = await findByRequestIds(
    tx,
    asked.map(({ ownerId, requestId }) => ({ ownerId, requestId })),
  );
  const outdated = found.filter(({ withinWindow }) => !withinWindow);
  if (outdated.length > 0)
    await releaseRequestIds(
      tx,
      outdated.map(({ job }) => job.id),
    );
  const byKey = new Map(found.filter(({ withinWindow }) => withinWindow).map((hit) => [keyOf(hit.job), hit]));
  return new Map(
    asked.flatMap(({ id, requestHash, ...asks }) => {
      const hit = byKey.get(keyOf(asks));
      if (!hit) return [];
      const isSame = hit.requestHash === requestHash;
      return [[id, isSame ? hit.job : new RequestIdReusedError(asks.requestId, "job", hit.job.id)]];
    }),
  );
}

/**
 * Without those that repeat a request id of an earlier item, and in one order for all transactions, so that
 * two that meet at the same request ids wait for each other and never in a circle.
 */
export function firstOfEachRequest<T extends Item>(items: readonly T[]): T[] {
  const seen = new Set<string>();
  const first = items.filter(({ job }) => {
    const key = keyOf(job);
    if (key === "") return true;
    return !seen.has(key) && seen.add(key);
  });
  return first.sort((a, b) => (keyOf(a.job) < keyOf(b.job) ? -1 : keyOf(a.job) > keyOf(b.job) ? 1 : 0));
}
