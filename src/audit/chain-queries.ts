import type { Sql } from "../db/sql.ts";
import type { RecordedEntry } from "./chain.ts";
import type { EntryKey } from "./entries.ts";
import { entryColumns } from "./entry-columns.ts";
import type { Seal } from "./seal-queries.ts";

/** A number of the chain with its entry; null where that is gone. */
export interface ChainRow extends Seal {
  readonly entry: RecordedEntry | null;
}

/** The chain in the order of its numbers: up to `limit` from `after` on, to `to` at the most. */
export async function readChain(
  sql: Sql,
  { after, to, limit }: { after: number; to: number; limit: number },
): Promise<ChainRow[]> {
  const rows = await sql<(RecordedEntry & SealRow)[]>`
    select s.sequence::float8 as sequence, s.id as seal_id, s.timestamp as seal_timestamp, s.digest, s.hash,
      ${entryColumns(sql)}
    from (
      select * from audit_seals where sequence > ${after}::float8::bigint and sequence <= ${to}::float8::bigint
      order by sequence limit ${limit}
    ) as s
    -- With a limit, so that it stays one look into an index for each.
    left join lateral (
      select * from audit_logs where timestamp = s.timestamp and id = s.id limit 1
    ) as l on true
    order by s.sequence`;
  return rows.map(({ sequence, sealId, sealTimestamp, digest, hash, ...entry }) => ({
    sequence,
    id: sealId,
    timestamp: sealTimestamp,
    digest,
    hash,
    entry: entry.id === null ? null : entry,
  }));
}

interface SealRow {
  sequence: number;
  sealId: string;
  sealTimestamp: Date;
  digest: Buffer;
  hash: Buffer;
}

/** The hash of the chain at a number; null where there is none. */
export async function readHashAt(sql: Sql, sequence: number): Promise<Buffer | null> {
  const [row] = await sql<{ hash: Buffer }[]>`
    select hash from audit_seals where sequence = ${sequence}::float8::bigint`;
  return row?.hash ?? null;
}

/** First and last number of the entries between two instants; null where none has a number. */
export async function numbersBetween(
  sql: Sql,
  { start, end }: { start: Date | null; end: Date | null },
): Promise<{ first: number; last: number } | null> {
  const [row] = await sql<[{ first: number | null; last: number | null }]>`
    select min(s.sequence)::float8 as first, max(s.sequence)::float8 as last from audit_seals s
    where (${start}::timestamptz is null or s.timestamp >= ${start}) and (${end}::timestamptz is null or s.timestamp < ${end})`;
  return row.first === null || row.last === null ? null : { first: row.first, last: row.last };
}

/** True if an entry with this id is there, at whatever time. Slow: nothing finds an id without its time. */
export async function hasEntry(sql: Sql, id: string): Promise<boolean> {
  const [row] = await sql<[{ found: boolean }]>`
    select exists(select from audit_logs where id = ${id}) as found`;
  return row.found;
}

/** True if an entry with a higher number is there. */
export async function hasLaterEntry(sql: Sql, sequence: number): Promise<boolean> {
  const [row] = await sql<[{ found: boolean }]>`
    select exists(
      select from audit_seals s where s.sequence > ${sequence}::float8::bigint
        and exists(select from audit_logs l where l.timestamp = s.timestamp and l.id = s.id)
    ) as found`;
  return row.found;
}

/**
 * Looks at up to `limit` entries behind `after`, in the order of their time: the first that neither has a number nor waits
 * for one, and the last that was looked at; that is null at the end.
 */
export async function findAdded(
  sql: Sql,
  after: EntryKey | null,
  limit: number,
): Promise<{ added: EntryKey | null; last: EntryKey | null }> {
  const rows = await sql<(EntryKey & { isAdded: boolean })[]>`
    with page as materialized (
      select timestamp, id from audit_logs
      where ${after ? sql`timestamp >= ${after.timestamp} and (timestamp, id) > (${after.timestamp}, ${after.id}::uuid)` : sql`true`}
      order by timestamp, id limit ${limit}
    ), added as (
      select p.* from page p
      where not exists (select from audit_seals s where s.id = p.id and s.timestamp = p.timestamp)
        and not exists (select from audit_unsealed u where u.timestamp = p.timestamp and u.id = p.id)
      order by timestamp, id limit 1
    )
    (select *, false as is_added from page order by timestamp desc, id desc limit 1) union all select *, true from added`;
  const found = (isAdded: boolean) => rows.find((row) => row.isAdded === isAdded) ?? null;
  return { added: found(true), last: found(false) };
}
