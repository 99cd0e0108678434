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
/** Waiting jobs of one key that are counted: limits are smaller. */
const COUNTED = 1_001;

/**
 * How many jobs of the key run or stand in the line, as an expression; `ownerId` and `key` are expressions too.
 * Those whose time has not come do not count: they take no place yet.
 */
export function activeOf(sql: Sql, ownerId: Fragment, key: Fragment): Fragment {
  return sql`((select count(*) from jobs runs where runs.owner_id = ${ownerId} and runs.concurrency_key = ${key}
      and runs.status in ('PROCESSING', 'CANCELLING'))
    + (select count(*) from (select from jobs stands where stands.owner_id = ${ownerId}
      and stands.concurrency_key = ${key} and stands.status = 'CREATED' and not stands.parked
      and stands.run_time <= now() limit ${COUNTED}) as standing))`;
}

/**
 * From here to the end of the transaction nobody else admits or parks jobs of these keys, so that each decision sees
 * what the one before has done. In one order, so that two who want the same keys do not wait in a circle.
 */
export async function lockKeys(sql: Sql, keys: readonly Key[]): Promise<void> {
  await sql`
    select pg_advisory_xact_lock(lock) from (
      select distinct hashtextextended(k."ownerId" || ' ' || k."concurrencyKey", 0) as lock
      from jsonb_to_recordset(${storableJson(keys)}::text::jsonb) as k("ownerId" text, "concurrencyKey" text)
      order by lock) as locks`;
}

/** Puts into the line, of each key, as many parked jobs as there are places; the longest waiting first. */
export async function admitParked(sql: Sql, keys: readonly Key[]): Promise<QueueEntry[]> {
  return await sql<QueueEntry[]>`
    with keys as (
      select "ownerId" as owner_id, "concurrencyKey" as key
      from jsonb_to_recordset(${storableJson(keys)}::text::jsonb) as k("ownerId" uuid, "concurrencyKey" text)
    ), next as (
      select n.id from keys k
      cross join lateral (
        select concurrency_limit - ${activeOf(sql, sql`k.owner_id`, sql`k.key`)} as places from jobs
        where owner_id = k.owner_id and concurrency_key = k.key and status = 'CREATED' and parked
        order by run_time, id limit 1
      ) as free
      cross join lateral (
        select id from jobs
        where owner_id = k.owner_id and concurrency_key = k.key and status = 'CREATED' and parked
        order by run_time, id limit greatest(free.places, 0) for update skip locked
      ) as n
    )
    update jobs set parked = false from next where jobs.id = next.id and jobs.status = 'CREATED'
    returning ${entryColumns(sql, "jobs")}`;
}

/** Puts aside what stands in the line of a key without a free place. Answers how many it were. */
export async function parkBlocked(sql: Sql, keys: readonly Key[]): Promise<number> {
  const rows = await sql`
    with keys as (
      select "ownerId" as owner_id, "concurrencyKey" as key
      from jsonb_to_recordset(${storableJson(keys)}::text::jsonb) as k("ownerId" uuid, "concurrencyKey" text)
    ), blocked as (
      select b.id from keys k cross join lateral (
        select count(*) as running from jobs where owner_id = k.owner_id and concurrency_key = k.key
          and status in ('PROCESSING', 'CANCELLING')
      ) as r cross join lateral (
        select id from jobs where owner_id = k.owner_id and concurrency_key = k.key and status = 'CREATED'
          and not parked and run_time <= now() and concurrency_limit <= r.running
        order by run_time, id limit ${PARK_BATCH} for update skip locked
      ) as b
    )
    update jobs set parked = true from blocked where jobs.id = blocked.id and jobs.status = 'CREATED'
    returning jobs.id`;
  return rows.length;
}

/** The next keys after `after`, up to `limit`, of which jobs stand aside. */
export async function parkedKeys(sql: Sql, after: Key | null, limit: number): Promise<Key[]> {
  const next = (from: Fragment) => sql`
    select owner_id, concurrency_key from jobs
    where concurrency_key is not null and status = 'CREATED' and parked ${from}
    order by owner_id, concurrency_key limit 1`;
  const start = after
    ? sql`and (owner_id, concurrency_key) > (${after.ownerId}::uuid, ${after.concurrencyKey})`
    : sql``;
  return await sql<Key[]>`
    with recursive keys as (
      (select n.*, 1 as place from (${next(start)}) as n)
      union all
      select n.*, k.place + 1 from keys k cross join lateral (
        ${next(sql`and (owner_id, concurrency_key) > (k.owner_id, k.concurrency_key)`)}
      ) as n where k.place < ${limit}
    )
    select owner_id, concurrency_key from keys order by place`;
}

/** Keys of which jobs run, up to `limit`. */
export async function runningKeys(sql: Sql, limit: number): Promise<Key[]> {
  return await sql<Key[]>`
    select distinct owner_id, concurrency_key from jobs
    where concurrency_key is not null and status in ('PROCESSING', 'CANCELLING') limit ${limit}`;
}
