import type { Fragment, Sql } from "../db/sql.ts";
import { storableJson } from "../lib/storable.ts";
import type { Lease } from "./lease-queries.ts";

/** What the table of workers shows of one. */
export interface WorkerFacts {
  readonly id: string;
  /** Any UUID that no other process has: tells two with the same id apart. */
  readonly instance?: string;
  readonly host: string;
  readonly version: string;
  readonly pid: number;
  readonly concurrency: number;
  readonly running: number;
  readonly draining: boolean;
  /** How far its clock is ahead of the database's; null = not known. */
  readonly clockOffsetMs?: number | null;
}

/** A process that is alive and has the id already. */
export interface IdHolder {
  readonly host: string;
  readonly pid: number;
  /** Since its last heartbeat. */
  readonly seconds: number;
}

function workerInsert(sql: Sql, worker: WorkerFacts): Fragment {
  return sql`
    insert into workers as w (id, instance, host, version, pid, concurrency, running, draining, clock_offset_ms)
    values (${worker.id}, ${worker.instance ?? null}, ${worker.host}, ${worker.version}, ${worker.pid},
      ${worker.concurrency}, ${worker.running}, ${worker.draining}, ${worker.clockOffsetMs ?? null})`;
}

/** Enters the worker, also in place of one that is gone. False when its id is another's that is alive. */
export async function registerWorker(sql: Sql, worker: WorkerFacts): Promise<boolean> {
  const rows = await sql`
    ${workerInsert(sql, worker)}
    on conflict (id) do update set instance = excluded.instance, host = excluded.host, version = excluded.version,
      pid = excluded.pid, concurrency = excluded.concurrency, running = excluded.running, draining = excluded.draining,
      clock_offset_ms = excluded.clock_offset_ms, started_at = now(), heartbeat_at = now()
    where w.heartbeat_at <= now() - interval '30 seconds' returning id`;
  return rows.length > 0;
}

/** Who has the id and is alive. */
export async function findIdHolder(sql: Sql, id: string): Promise<IdHolder | null> {
  const [row] = await sql<IdHolder[]>`
    select host, pid, extract(epoch from now() - heartbeat_at)::float8 as seconds from workers
    where id = ${id} and heartbeat_at > now() - interval '30 seconds'`;
  return row ?? null;
}

export async function removeWorker(sql: Sql, worker: WorkerFacts): Promise<void> {
  await sql`delete from workers
    where id = ${worker.id} and instance is not distinct from ${worker.instance ?? null}::uuid`;
}

/** A lease with what its worker has to tell at each heartbeat. */
export interface HeldLease extends Lease {
  /** The most resident memory that a document process had in this attempt so far. */
  readonly peakMemoryBytes?: number;
}

/** What a heartbeat answers for a lease that still holds. */
export interface Renewal {
  readonly token: string;
  readonly cancel: boolean;
  /** False when another statement had the job at this moment: the lease holds, but is not longer than before. */
  readonly renewed: boolean;
}

/** What a heartbeat answers. */
export interface Beat {
  /** Another process has taken the worker's id. */
  readonly isDisplaced: boolean;
  /** Those that still hold. */
  readonly leases: readonly Renewal[];
}

/**
 * Prolongs the leases and the worker's own entry, in one statement. A lease that is missing in the answer is lost.
 * Jobs that others have locked are passed over, so that one of them does not hold up all the others. The entry of
 * another process with the same id stays as it is.
 */
export async function renewLeases(
  sql: Sql,
  worker: WorkerFacts,
  leases: readonly HeldLease[],
  leaseMs: number,
): Promise<Beat> {
  const [row] = await sql<Beat[]>`
    with entry as (
      ${workerInsert(sql, worker)}
      on conflict (id) do update set heartbeat_at = now(), running = excluded.running, draining = excluded.draining,
        clock_offset_ms = excluded.clock_offset_ms
      where w.instance is not distinct from excluded.instance returning id
    ), l as (
      select "jobId" as job_id, token, "peakMemoryBytes" as peak
      from jsonb_to_recordset(${storableJson(leases)}::text::jsonb) as l("jobId" uuid, token uuid, "peakMemoryBytes" bigint)
    ), free as (
      select jobs.id, l.peak from jobs join l on jobs.id = l.job_id and jobs.lease_token = l.token
      where jobs.status in ('PROCESSING', 'CANCELLING')
      for no key update of jobs skip locked
    ), renewed as (
      update jobs set heartbeat_at = now(), lease_until = now() + ${leaseMs}::int * interval '1 millisecond',
        peak_memory_bytes = greatest(jobs.peak_memory_bytes, free.peak)
      from free where jobs.id = free.id returning jobs.id
    ), held as (
      select l.token, jobs.status = 'CANCELLING' as cancel, exists (select from renewed where id = jobs.id) as renewed
      from jobs join l on jobs.id = l.job_id and jobs.lease_token = l.token
      where jobs.status in ('PROCESSING', 'CANCELLING')
    )
    select not exists (select from entry) as is_displaced,
      (select coalesce(jsonb_agg(to_jsonb(held)), '[]') from held) as leases`;
  if (!row) throw new Error("a heartbeat has an answer");
  return row;
}
