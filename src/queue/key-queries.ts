import type { Fragment, Sql } from "../db/sql.ts";
import { storableJson } from "../lib/storable.ts";
import { entryColumns } from "./line-queries.ts";
import type { QueueEntry } from "./queue.ts";

/** Jobs of one owner that may not all run at once. */
export interface Key {
  readonly ownerId: string;
  readonly concurrencyKey: string;
}

/** Jobs that one statement puts aside at the most. */
export const PARK_BATCH = 1_000;
/**
 * How many jobs of the key run or stand in the line at least as urgent as `rank`, as an expression; the arguments are
 * expressions too. Those whose time has not come do not count: they take no place yet.
 */
export function aheadOfKey(sql: Sql, ownerId: Fragment, key: Fragment, rank: Fragment): Fragment {
  return sql`jobs_ahead_of_key(${ownerId}, ${key}, ${rank})`;
}

/**
 * Puts into the line, of each key, as many parked jobs as there are places; the most urgent first. Statements about the
 * same key wait for each other, so that each decides by what the one before has done.
 */
export async function admitParked(sql: Sql, keys: readonly Key[]): Promise<QueueEntry[]> {
  return await sql<QueueEntry[]>`
    select ${entryColumns(sql, "jobs")} from admit_parked(${storableJson(keys)}::text::jsonb) as jobs`;
}

/** Puts aside what stands in the line of a key without a free place. Answers how many it were. */
export async function parkBlocked(sql: Sql, keys: readonly Key[]): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select park_blocked(${storableJson(keys)}::text::jsonb, ${PARK_BATCH}) as n`;
  return row?.n ?? 0;
}

/** A key of which jobs stand aside, and whether the first of them would find a place in the line. */
export type ParkedKey = Key & { readonly free: boolean };

/** The next keys after `after`, up to `limit`, of which jobs stand aside. */
export async function parkedKeys(sql: Sql, after: Key | null, limit: number): Promise<ParkedKey[]> {
  const next = (from: Fragment) => sql`
    select owner_id, concurrency_key, priority, concurrency_limit from jobs
    where concurrency_key is not null and status = 'CREATED' and parked ${from}
    order by owner_id, concurrency_key, priority, run_time, id limit 1`;
  const start = after
    ? sql`and (owner_id, concurrency_key) > (${after.ownerId}::uuid, ${after.concurrencyKey})`
    : sql``;
  return await sql<ParkedKey[]>`
    with recursive keys as (
      (select n.*, 1 as place from (${next(start)}) as n)
      union all
      select n.*, k.place + 1 from keys k cross join lateral (
        ${next(sql`and (owner_id, concurrency_key) > (k.owner_id, k.concurrency_key)`)}
      ) as n where k.place < ${limit}
    )
    select owner_id, concurrency_key, concurrency_limit
      > ${aheadOfKey(sql, sql`owner_id`, sql`concurrency_key`, sql`priority`)} as free
    from keys order by place`;
}

/** Keys of which jobs run, up to `limit`. */
export async function runningKeys(sql: Sql, limit: number): Promise<Key[]> {
  return await sql<Key[]>`
    select distinct owner_id, concurrency_key from jobs
    where concurrency_key is not null and status in ('PROCESSING', 'CANCELLING') limit ${limit}`;
}
