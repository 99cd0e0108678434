import { json, type Sql } from "../db/sql.ts";
import { CHAIN_START, type ChainPoint, type RecordedEntry } from "./chain.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { entryColumns } from "./entry-columns.ts";

/** Any number, the same in every process: who holds it adds to the chain, or removes from it. */
const LOCK = 5_105_171_018;

/**
 * True if this transaction is now the only one that changes the chain, until its end.
 * @param wait for the one that is about it, up to 10 s
 */
export async function lockChain(tx: Sql, wait: boolean): Promise<boolean> {
  if (wait) {
    await tx`select pg_advisory_xact_lock(${LOCK})`;
    return true;
  }
  const [row] = await tx<[{ locked: boolean }]>`select pg_try_advisory_xact_lock(${LOCK}) as locked`;
  return row.locked;
}

/** The end of the chain. */
export async function readHead(sql: Sql): Promise<ChainPoint> {
  const [row] = await sql<ChainPoint[]>`
    select sequence::float8, hash from audit_seals order by audit_seals.sequence desc limit 1`;
  return row ?? CHAIN_START;
}

/** An entry that waits for its number; null where its row is gone. */
export interface Unsealed {
  readonly key: { readonly id: string; readonly timestamp: Date };
  readonly entry: RecordedEntry | null;
}

/**
 * Entries without a number that were written `settleMs` ago or earlier, in the order of their own time. Those that say they
 * will be written later than in `settleMs` are among them: no clock, and nobody else, holds them off for ever.
 */
export async function readUnsealed(
  sql: Sql,
  { settleMs, limit }: { settleMs: number; limit: number },
): Promise<Unsealed[]> {
  const rows = await sql<(RecordedEntry & { keyId: string; keyTimestamp: Date })[]>`
    select due.id as key_id, due.timestamp as key_timestamp, ${entryColumns(sql)}
    from (
      select timestamp, id from audit_unsealed
      where queued_at not between clock_timestamp() - ${settleMs}::float8 * interval '1 millisecond'
        and clock_timestamp() + ${settleMs}::float8 * interval '1 millisecond'
      order by timestamp, id limit ${limit}
    ) as due
    -- With a limit, so that it stays one look into an index for each.
    left join lateral (
      select * from audit_logs where timestamp = due.timestamp and id = due.id limit 1
    ) as l on true
    order by due.timestamp, due.id`;
  return rows.map(({ keyId, keyTimestamp, ...entry }) => ({
    key: { id: keyId, timestamp: keyTimestamp },
    entry: entry.id === null ? null : entry,
  }));
}

export interface Seal extends ChainPoint {
  readonly id: string;
  readonly timestamp: Date;
  readonly digest: Buffer;
}

/** Gives numbers, and takes what has one now, and `gone`, off the list of those that wait. */
export async function writeSeals(
  tx: Sql,
  seals: readonly Seal[],
  gone: readonly Unsealed["key"][],
): Promise<void> {
  const records = seals.map((seal) => ({
    ...seal,
    digest: seal.digest.toString("hex"),
    hash: seal.hash.toString("hex"),
  }));
  await tx`
    with r as (
      select * from jsonb_to_recordset(${json([...records, ...gone])}::text::jsonb)
        as r(sequence bigint, id uuid, timestamp timestamptz(3), digest text, hash text)
    ), sealed as (
      insert into audit_seals (sequence, id, timestamp, digest, hash)
      select sequence, id, timestamp, decode(digest, 'hex'), decode(hash, 'hex') from r where sequence is not null
    )
    delete from audit_unsealed u using r where u.timestamp = r.timestamp and u.id = r.id`;
}

interface CheckpointRow {
  number: number;
  sequence: number;
  hash: Buffer;
  count: number;
  time: Date;
  anchorSequence: number;
  anchorHash: Buffer;
  anchorTime: Date | null;
  anchorNumber: number;
  previousSignature: Buffer;
  signature: Buffer;
}

const checkpointColumns = (sql: Sql) => sql`
  number::float8, sequence::float8, hash, count::float8, time, anchor_sequence::float8, anchor_hash, anchor_time,
  anchor_number::float8, previous_signature, signature`;

const checkpointFromRow = (row: CheckpointRow): Checkpoint => ({
  number: row.number,
  sequence: row.sequence,
  hash: row.hash,
  count: row.count,
  time: row.time,
  anchor: {
    sequence: row.anchorSequence,
    hash: row.anchorHash,
    time: row.anchorTime,
    number: row.anchorNumber,
  },
  previousSignature: row.previousSignature,
  signature: row.signature,
});

/** The newest checkpoints, those first: up to `limit` with a number below `before`. */
export async function readNewestCheckpoints(
  sql: Sql,
  limit: number,
  before = Number.MAX_SAFE_INTEGER,
): Promise<Checkpoint[]> {
  const rows = await sql<CheckpointRow[]>`
    select ${checkpointColumns(sql)} from audit_checkpoints where audit_checkpoints.number < ${before}::float8::bigint
    order by audit_checkpoints.number desc limit ${limit}`;
  return rows.map(checkpointFromRow);
}

/** Checkpoints of the entries from one number to another, behind the checkpoint `after`, in their order. */
export async function readCheckpoints(
  sql: Sql,
  { from, to, after, limit }: { from: number; to: number; after: number; limit: number },
): Promise<Checkpoint[]> {
  const rows = await sql<CheckpointRow[]>`
    select ${checkpointColumns(sql)} from audit_checkpoints c
    where c.sequence between ${from}::float8::bigint and ${to}::float8::bigint and c.number > ${after}::float8::bigint
    order by c.number limit ${limit}`;
  return rows.map(checkpointFromRow);
}

export async function insertCheckpoint(tx: Sql, checkpoint: Checkpoint): Promise<void> {
  const { anchor } = checkpoint;
  await tx`
    insert into audit_checkpoints (number, sequence, hash, count, time, anchor_sequence, anchor_hash, anchor_time,
      anchor_number, previous_signature, signature)
    values (${checkpoint.number}::float8, ${checkpoint.sequence}::float8, ${checkpoint.hash}, ${checkpoint.count}::float8,
      ${checkpoint.time}, ${anchor.sequence}::float8, ${anchor.hash}, ${anchor.time}, ${anchor.number}::float8,
      ${checkpoint.previousSignature}, ${checkpoint.signature})`;
}

/** Entries that wait for a number. */
export interface Backlog {
  readonly entries: number;
  /** For how long the oldest has waited. */
  readonly oldestSeconds: number;
  /** How far in the future one says it was written. */
  readonly aheadSeconds: number;
}

/** Of up to `most` entries that wait for a number. */
export async function unsealedBacklog(sql: Sql, most: number): Promise<Backlog> {
  const [row] = await sql<[Backlog]>`
    select count(*)::int as entries,
      greatest(extract(epoch from clock_timestamp() - min(queued_at)), 0)::float8 as oldest_seconds,
      greatest(extract(epoch from max(queued_at) - clock_timestamp()), 0)::float8 as ahead_seconds
    from (select queued_at from audit_unsealed limit ${most}) as waiting`;
  return row;
}
