import type { Sql } from "../db/sql.ts";
import { storableJson } from "../lib/storable.ts";
import type { Key } from "./key-queries.ts";
import { entryColumns, type LinePosition } from "./line-queries.ts";
import type { QueueEntry } from "./queue.ts";

/** True for one process every `intervalMs`: it is its turn to reconcile. */
export async function takeReconcileTurn(sql: Sql, intervalMs: number): Promise<boolean> {
  const rows = await sql`
    update queue_state set reconciled_at = now()
    where reconciled_at <= now() - ${intervalMs}::int * interval '1 millisecond' returning id`;
  return rows.length > 0;
}

/** Up to where some process has come on each of the walks that take more than one turn; null: begin anew. */
interface Places {
  readonly line: LinePosition | null;
  readonly keys: Key | null;
}

/** Where the walk goes on, whichever process went before. */
export async function readPlace<W extends keyof Places>(sql: Sql, walk: W): Promise<Places[W]> {
  const [row] = await sql<
    { place: Places[W] }[]
  >`select reconcile_places->${walk}::text as place from queue_state`;
  return row?.place ?? null;
}

export async function writePlace<W extends keyof Places>(sql: Sql, walk: W, place: Places[W]): Promise<void> {
  // Mostly it stays at the beginning, and then nothing is written.
  await sql`
    update queue_state set reconcile_places = reconcile_places || jsonb_build_object(${walk}::text, p.place)
    from (select ${storableJson(place)}::text::jsonb as place) as p
    where coalesce(reconcile_places->${walk}::text, 'null') <> p.place`;
}

/**
 * Jobs in the line among the newest `limit` that were created in the last `withinMs`. Their ids begin with the time of
 * their creation in ms (UUIDv7), so this is a look at the end of the primary key, however long the line is.
 */
export async function newestInLine(sql: Sql, withinMs: number, limit: number): Promise<QueueEntry[]> {
  return await sql<QueueEntry[]>`
    select ${entryColumns(sql, "newest")} from (
      select * from jobs
      where id >= rpad(lpad(to_hex((extract(epoch from now()) * 1000)::bigint - ${withinMs}::bigint), 12, '0'), 32, '0')::uuid
      order by id desc limit ${limit}
    ) as newest
    where newest.status = 'CREATED' and not newest.parked order by newest.id`;
}
