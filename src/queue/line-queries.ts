import { array, type Fragment, json, type Sql } from "../db/sql.ts";
import type { LineDepth, QueueEntry, Selection } from "./queue.ts";

/** Owners that one claim goes round at the most, beyond those it needs: some may have nothing that can run now. */
const SPARE_OWNERS = 32;
/** Jobs at the front of an owner's line that a claim looks at, beyond those it needs: keys may hold some back. */
const SPARE_JOBS = 256;

/** Seed of the advisory locks of keys in claims, unlike that of `lock_concurrency_keys`. */
const CLAIM_LOCKS = 1;

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
  const owners = limit + SPARE_OWNERS;
  const order = lines.map(({ rank, after }) => ({ rank, after }));
  return (sql) => sql`
    line as materialized (
      select asked.rank, asked.after, o.owner_id, o.run_time
      from jsonb_array_elements(${json(order)}::text::jsonb) with ordinality as l(line, place)
      cross join lateral (select (l.line->>'rank')::smallint as rank, (l.line->>'after')::uuid as after) as asked
      cross join lateral (
        ${firstOwner(sql, sql`asked.rank`, sql`owner_id > asked.after`)} union all
        ${firstOwner(sql, sql`asked.rank`, sql`owner_id <= asked.after`)} limit 1
      ) as o
      where not (select paused from queue_state)
      order by l.place limit 1
    ), turns as (
      -- Hops from owner to owner in the index, however many jobs each has; only as far as its readers need.
      select owner_id, run_time, owner_id <= after as wrapped, 1 as turn from line
      union all
      select o.owner_id, o.run_time, o.owner_id <= line.after, t.turn + 1
      from turns t, line cross join lateral (
        ${firstOwner(sql, sql`line.rank`, sql`owner_id > t.owner_id and (not t.wrapped or owner_id <= line.after)`)}
        union all
        ${firstOwner(sql, sql`line.rank`, sql`owner_id <= line.after and not t.wrapped`)} limit 1
      ) as o
      where t.turn < ${owners}
    ), front as (
      select f.*, t.turn from line cross join turns t cross join lateral (
        select waits.id, waits.owner_id, waits.concurrency_key, waits.concurrency_limit, waits.run_time
        from (
          -- From its first job on: before it lie those that were taken since the index was last cleaned.
          select id, run_time from jobs where ${inLine(sql, sql`line.rank`)} and owner_id = t.owner_id and run_time >= t.run_time
          order by run_time, id limit ${limit + SPARE_JOBS}
        ) as seen join jobs waits on waits.id = seen.id
        where ${mayBegin(sql)}
        order by seen.run_time, seen.id
        limit (select ceil(${limit}::numeric / count(*)) from (select from turns limit ${limit}) as served)
        for update of waits skip locked
      ) as f limit ${limit}
    ), ${placed(sql)}`;
}

/** Picks those of `ids`, in their order and up to `limit`, that could begin now; none while the queue is paused. */
export function theseOf(ids: readonly string[], limit: number): Selection {
  return (sql) => sql`
    front as (
      select waits.id, waits.owner_id, waits.concurrency_key, waits.concurrency_limit, waits.run_time, asked.turn::int as turn
      from unnest(${array(ids)}::text::uuid[]) with ordinality as asked(id, turn) join jobs waits on waits.id = asked.id
      where ${mayBegin(sql)} and not (select paused from queue_state)
      order by asked.turn limit ${limit}
      for update of waits skip locked
    ), ${placed(sql)}`;
}

/** The first owner in the line of `rank` for whom `condition` holds, and the time of its first job, as a query. */
function firstOwner(sql: Sql, rank: Fragment, condition: Fragment): Fragment {
  return sql`(select owner_id, run_time from jobs where ${inLine(sql, rank)} and ${condition}
    order by owner_id, run_time, id limit 1)`;
}

function inLine(sql: Sql, rank: Fragment): Fragment {
  return sql`status = 'CREATED' and not parked and priority = ${rank} and run_time <= now()`;
}

/**
 * The row `waits` could begin now. Asked again of a row that changed while its lock was waited for. In words that no partial
 * index knows: a plan made while nothing waited would else read the line for each row, instead of the primary key.
 */
function mayBegin(sql: Sql): Fragment {
  return sql`coalesce(waits.status, '') = 'CREATED' and not coalesce(waits.parked, false) and waits.run_time <= now()
    and (waits.concurrency_key is null or (select count(*) from jobs r where r.owner_id = waits.owner_id
      and r.concurrency_key = waits.concurrency_key and r.status in ('PROCESSING', 'CANCELLING')) < waits.concurrency_limit)`;
}

/**
 * `front`, with a free place of its key for each job that has one; those for which none is left are not picked. Of several
 * claims at once, one looks at a key: the others would choose the same places.
 */
function placed(sql: Sql): Fragment {
  return sql`
    free as materialized (
      select t.owner_id, t.concurrency_key, f.slot, cardinality(t.slots) as running,
        row_number() over (partition by t.owner_id, t.concurrency_key order by f.slot) as nth
      from (
        select k.*, coalesce((select array_agg(r.concurrency_slot) from jobs r where r.owner_id = k.owner_id
          and r.concurrency_key = k.concurrency_key and r.status in ('PROCESSING', 'CANCELLING')), '{}') as slots
        from (
          select owner_id, concurrency_key, max(concurrency_limit) as most from front
          where concurrency_key is not null group by owner_id, concurrency_key
        ) as k where pg_try_advisory_xact_lock(hashtextextended(k.owner_id || ' ' || k.concurrency_key, ${CLAIM_LOCKS}))
      ) as t cross join lateral (
        select s::smallint as slot from generate_series(1, t.most) as s except select unnest(t.slots)
      ) as f
    ), picked as (
      select f.id, f.turn, f.place, k.slot from (
        select *, row_number() over (partition by owner_id order by run_time, id) as place,
          row_number() over (partition by owner_id, concurrency_key order by run_time, id) as nth
        from front
      ) as f left join free k
        on k.owner_id = f.owner_id and k.concurrency_key = f.concurrency_key and k.nth = f.nth
      where f.concurrency_key is null or k.nth + k.running <= f.concurrency_limit
    )`;
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
