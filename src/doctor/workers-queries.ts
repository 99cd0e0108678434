import type { Sql } from "../db/sql.ts";

export interface WorkerRow {
  readonly id: string;
  readonly version: string;
  readonly concurrency: number;
  readonly running: number;
  readonly draining: boolean;
  /** How far its clock is ahead of the database's; null = not known. */
  readonly clockOffsetMs: number | null;
  /** Seconds since its last heartbeat. */
  readonly silent: number;
}

/** The workers in the table, the last heard of first, up to `limit`. */
export async function listWorkerRows(sql: Sql, limit: number): Promise<WorkerRow[]> {
  return await sql<WorkerRow[]>`
    select id, version, concurrency, running, draining, clock_offset_ms::float8 as clock_offset_ms,
      extract(epoch from now() - heartbeat_at)::float8 as silent
    from workers order by heartbeat_at desc, id limit ${limit}`;
}

export interface Processes {
  /** Connections of servers and workers to this database. */
  readonly connections: number;
  /** Seconds since the first of them was opened. */
  readonly upFor: number;
}

/** What is connected. Since when, not every role may see; then it counts as long ago. */
export async function readProcesses(sql: Sql): Promise<Processes> {
  const [row] = await sql<[Processes]>`
    select count(*)::int as connections,
      coalesce(extract(epoch from now() - min(backend_start)), 1e9)::float8 as up_for
    from pg_stat_activity where datname = current_database()
      and (application_name like 'sluice-server:%' or application_name like 'sluice-worker:%')`;
  return row;
}
