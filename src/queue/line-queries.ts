import { array, type Fragment, type Sql } from "../db/sql.ts";
import type { LineDepth, QueueEntry, Selection } from "./queue.ts";

/** Owners that one claim goes round at the most, beyond those it needs: some may have nothing that can run now. */
const SPARE_OWNERS = 32;
/** Jobs at the front of an owner's line that a claim looks at, beyond those it needs: keys may hold some back. */
const SPARE_JOBS = 256;

export interface NextInLine {
  /** Ranks in the order in which they are to be looked at; the first that has jobs which could begin counts. */
  readonly lines: readonly {
    readonly rank: number;
    /** The owner whose turn was last; the round goes on after it. */
    readonly after: string;
  }[];
  readonly limit: number;
}

/**
 * Picks up to `limit` jobs of one rank in fair turns: owners in the order of their ids beginning after `after`, as
 * many of each as it takes when all have enough; of an owner those that have been able to run for longest. None while
 * the queue is paused.
 */
export function nextInLine({ lines, limit }: NextInLine): Selection {
  const ranks = lines.map(({ rank }) => String(rank));
  const after = lines.map((line) => line.after);
  return (
    sql,
  ) => sql`next_in_line(${array(ranks)}::text::smallint[], ${array(after)}::text::uuid[], ${limit}::int,
    ${SPARE_OWNERS}::int, ${SPARE_JOBS}::int)`;
}

/** Picks those of `ids`, in their order and up to `limit`, that could begin now; none while the queue is paused. */
export function theseOf(ids: readonly string[], limit: number): Selection {
  return (sql) => sql`these_in_line(${array(ids)}::text::uuid[], ${limit}::int)`;
}

/** The columns of a `QueueEntry` of the table or CTE `from`. */
export function entryColumns(sql: Sql, from: string): Fragment {
  const columns = ["id", "owner_id", "priority as rank", "run_time", "concurrency_key", "parked"];
  // Rounded as the column is: a job that may begin from the statement's own time on may begin at once.
  const isDue = `${from}.run_time <= now()::timestamptz(3) as is_due`;
  return sql.unsafe([...columns.map((column) => `${from}.${column}`), isDue].join(", "));
}

/** A place on the walk along the line; its time as text when it was kept as JSON. */
export type LinePosition = Readonly<{ rank: number; ownerId: string; runTime: Date | string; id: string }>;

/** The next `limit` jobs in the line after `after`, those whose time has not come among them. */
export async function walkLine(sql: Sql, after: LinePosition | null, limit: number): Promise<QueueEntry[]> {
  const from = after
    ? sql`and (priority, owner_id, run_time, id) > (${after.rank}::smallint, ${after.ownerId}::uuid,
        ${after.runTime}::timestamptz, ${after.id}::uuid)`
    : sql``;
  return await sql<QueueEntry[]>`
    select ${entryColumns(sql, "jobs")} from jobs
    where status = 'CREATED' and not parked ${from}
    order by priority, owner_id, run_time, id limit ${limit}`;
}

/** Those of `ids` that still wait, as they are now. */
export async function stillWaiting(sql: Sql, ids: readonly string[]): Promise<QueueEntry[]> {
  return await sql<QueueEntry[]>`
    select ${entryColumns(sql, "jobs")} from jobs
    where id = any(${array(ids)}::text::uuid[]) and status = 'CREATED'`;
}

export async function lineDepths(sql: Sql): Promise<LineDepth[]> {
  return await sql<LineDepth[]>`
    select p.rank, coalesce(w.waiting, 0)::int as waiting, coalesce(w.delayed, 0)::int as delayed
    from generate_series(0, 2) as p(rank) left join (
      select priority, count(*) filter (where run_time <= now()) as waiting,
        count(*) filter (where run_time > now()) as delayed
      from jobs where status = 'CREATED' group by priority
    ) w on w.priority = p.rank order by p.rank`;
}

export async function isPaused(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ paused: boolean }[]>`select paused from queue_state`;
  return row?.paused ?? false;
}

/** What names this installation to a Redis that several may share. */
export async function installationId(sql: Sql): Promise<string> {
  const [row] = await sql<{ id: string }[]>`select installation as id from queue_state`;
  if (!row) throw new Error("the state of the queue has no row");
  return row.id;
}
