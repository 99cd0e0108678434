import type { Sql } from "../db/sql.ts";

export interface ServerFacts {
  /** E.g. `18.1`. */
  readonly version: string;
  /** A standby, or a database that lets nobody write. */
  readonly readOnly: boolean;
}

/** @param sql a connection with no setting of its own for read-only transactions */
export async function readServer(sql: Sql): Promise<ServerFacts> {
  const [row] = await sql<[ServerFacts]>`
    select split_part(current_setting('server_version'), ' ', 1) as version,
      pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as read_only`;
  return row;
}

/** Settings on which durability rests, as this session has them. */
export async function readDurability(sql: Sql): Promise<Record<string, string>> {
  const rows = await sql<{ name: string; setting: string }[]>`
    select name, setting from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit')`;
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
}

export interface ConnectionUse {
  readonly used: number;
  /** As many as the server lets ordinary roles have. */
  readonly most: number;
}

export async function readConnections(sql: Sql): Promise<ConnectionUse> {
  const [row] = await sql<[ConnectionUse]>`
    select (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as used,
      current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0) as most`;
  return row;
}

/** The database's clock, in milliseconds since the epoch. */
export async function readClock(sql: Sql): Promise<number> {
  const [row] = await sql<[{ ms: number }]>`
    select extract(epoch from clock_timestamp())::float8 * 1000 as ms`;
  return row.ms;
}
