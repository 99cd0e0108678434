import { array, type Sql, type Transaction } from "../db/sql.ts";

/** What an owner has now. */
export interface Usage {
  readonly ownerId: string;
  /** Waiting jobs, as far as they were counted. */
  readonly queuedJobs: number;
  readonly storedBytes: number;
}

/**
 * Lets other transactions that want more for these owners wait until this one has ended. In one order for all, so that
 * two never wait for each other in a circle.
 */
export async function lockOwners(tx: Transaction, ownerIds: readonly string[]): Promise<void> {
  await tx`
    select pg_advisory_xact_lock(key) from (
      select distinct hashtextextended('quota ' || id, 0) as key
      from unnest(${array(ownerIds)}::text::text[]) as id order by key offset 0
    ) as k`;
}

/** What these owners have. Waiting jobs are counted up to `maxJobs`, by indexes that hold only those; with 0 not at all. */
export async function usageOf(
  sql: Sql,
  ownerIds: readonly string[],
  { maxJobs, countBytes }: { readonly maxJobs: number; readonly countBytes: boolean },
): Promise<Usage[]> {
  const rows = await sql<{ ownerId: string; queuedJobs: number; storedBytes: string }[]>`
    select o.id as owner_id,
      (select count(*) from (
        select from generate_series(0, 2) as rank, lateral (
          select from jobs j where j.status = 'CREATED' and not j.parked and j.priority = rank and j.owner_id = o.id
          limit ${maxJobs}) as standing
        union all
        select from (
          select from jobs j where j.status = 'CREATED' and j.parked and j.concurrency_key is not null
            and j.owner_id = o.id limit ${maxJobs}) as parked
      ) as waiting)::int as queued_jobs,
      case when ${countBytes} then
        (select coalesce(sum(bytes), 0) from stored_bytes s where s.owner_id = o.id) else 0 end as stored_bytes
    from unnest(${array(ownerIds)}::text::uuid[]) as o(id)`;
  return rows.map(({ storedBytes, ...row }) => ({ ...row, storedBytes: Number(storedBytes) }));
}

/** Adds up the rows of owners that have several; what is added meanwhile stays for the next time. */
export async function compactStoredBytes(sql: Sql): Promise<void> {
  await sql`
    with many as (
      select owner_id from stored_bytes group by owner_id having count(*) > 1 limit 500
    ), gone as (
      delete from stored_bytes s using many where s.owner_id = many.owner_id returning s.owner_id, s.bytes
    )
    insert into stored_bytes select owner_id, sum(bytes) from gone group by owner_id having sum(bytes) <> 0`;
}
