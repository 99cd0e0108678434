import type { Sql } from "../db/sql.ts";

/** A month of the log, from its first instant to before `until`. */
export interface Month {
  readonly name: string;
  readonly until: Date;
}

/** The months that have ended `days` ago or earlier, oldest first. */
export async function monthsBefore(sql: Sql, days: number, now: Date): Promise<Month[]> {
  return await sql<Month[]>`
    select name, until from (
      select c.oid::regclass::text as name,
        substring(pg_get_expr(c.relpartbound, c.oid) from $$TO [(]'([^']+)'[)]$$)::timestamptz as until
      from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'audit_logs'::regclass
    ) as months
    where until <= ${now}::timestamptz - ${days}::int * interval '1 day' order by until`;
}

/** True if an entry from before an instant waits for its number. */
export async function hasUnsealedBefore(sql: Sql, until: Date): Promise<boolean> {
  const [row] = await sql<[{ found: boolean }]>`
    select exists(select from audit_unsealed where timestamp < ${until}) as found`;
  return row.found;
}

/** The first number from `after` on whose entry is of an instant or later; null: none is. */
export async function firstNumberFrom(sql: Sql, since: Date, after: number): Promise<number | null> {
  const [row] = await sql<{ sequence: number }[]>`
    select s.sequence::float8 from audit_seals s
    where s.sequence > ${after}::float8::bigint and s.timestamp >= ${since} order by s.sequence limit 1`;
  return row?.sequence ?? null;
}

/** The first checkpoint behind a number of the chain; null: there is none. */
export async function firstCheckpointBehind(sql: Sql, sequence: number): Promise<number | null> {
  const [row] = await sql<[{ number: number | null }]>`
    select min(c.number)::float8 as number from audit_checkpoints c where c.sequence > ${sequence}::float8::bigint`;
  return row.number;
}

/** The number of the chain that the first checkpoint at or behind another is of; null: there is none. */
export async function firstSignedFrom(sql: Sql, sequence: number): Promise<number | null> {
  const [row] = await sql<[{ sequence: number | null }]>`
    select min(c.sequence)::float8 as sequence from audit_checkpoints c where c.sequence >= ${sequence}::float8::bigint`;
  return row.sequence;
}

/**
 * Until the end of the transaction nobody adds to the log, so that no entry comes late between a look and a removal.
 * Waits 2 s at the most for those who do.
 */
export async function lockLog(tx: Sql): Promise<void> {
  await tx`set local lock_timeout = '2s'`;
  // Before any of its parts, as writers, readers and the making of a month take it.
  await tx`lock table only audit_logs in access exclusive mode`;
}

/** Removes whole months, and what no month had taken from before `until`. */
export async function dropMonths(tx: Sql, months: readonly Month[], until: Date): Promise<void> {
  await tx`set local sluice.audit_retention = 'on'`;
  await tx`delete from audit_logs_default where timestamp < ${until}`;
  for (const { name } of months) await tx`drop table ${tx(name)}`;
}

/** Removes up to `limit` numbers of the chain that its anchor stands for, and the checkpoints before it. */
export async function dropSeals(
  tx: Sql,
  anchor: { sequence: number; number: number },
  limit: number,
): Promise<number> {
  await tx`set local sluice.audit_retention = 'on'`;
  await tx`delete from audit_checkpoints c where c.number < ${anchor.number}::float8::bigint`;
  const { count } = await tx`
    delete from audit_seals where sequence in (
      select sequence from audit_seals where sequence <= ${anchor.sequence}::float8::bigint order by sequence limit ${limit})`;
  return count;
}
