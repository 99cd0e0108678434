import { type Fragment, inScope, type ScopedSql, type Sql } from "../db/sql.ts";
import { storableJson } from "../lib/storable.ts";
import type { LoggedEvent, NewEvent } from "./model.ts";

/**
 * The insert that logs `events` for every row of the CTE `source`, to be used inside the statement that
 * changes the job. `source` yields `id`, `owner_id` and `last_sequence` as it is after it was raised by the
 * number of events: the row lock of that update is what keeps the sequence without gaps.
 */
export function eventInsert(sql: Sql, source: string, events: readonly NewEvent[]): Fragment {
  return sql`
    insert into job_events (job_id, sequence, owner_id, type, payload)
    select s.id, s.last_sequence - ${events.length}::int + e.ord, s.owner_id, e.event->>'type', e.event->'payload'
    from ${sql(source)} s cross join
      jsonb_array_elements(${storableJson(events)}::text::jsonb) with ordinality as e(event, ord)`;
}

/** Events of one job after `afterSequence`, oldest first, at most `limit`. */
export async function readEvents(
  sql: ScopedSql,
  jobId: string,
  afterSequence: number,
  limit: number,
): Promise<LoggedEvent[]> {
  const rows = await sql<{ sequence: string; time: Date; type: string; payload: unknown }[]>`
    select sequence, time, type, payload from job_events
    where job_id = ${jobId} and sequence > ${afterSequence} and ${inScope(sql)} order by sequence limit ${limit}`;
  return rows.map((row) => ({ ...row, jobId, sequence: Number(row.sequence) }));
}

/** How much of a job's log a follower has seen. */
interface LogPosition {
  readonly jobId: string;
  readonly afterSequence: number;
}

/**
 * Events of several jobs, each after its position; of one at position 0 none from before `since`. By job, oldest first, at
 * most `limit`.
 */
export async function readEventsOf(
  sql: ScopedSql,
  positions: readonly LogPosition[],
  since: Date,
  limit: number,
): Promise<LoggedEvent[]> {
  const rows = await sql<{ jobId: string; sequence: string; time: Date; type: string; payload: unknown }[]>`
    select e.job_id, e.sequence, e.time, e.type, e.payload
    from jsonb_to_recordset(${storableJson(positions)}::text::jsonb) as p("jobId" uuid, "afterSequence" bigint)
    join job_events e on e.job_id = p."jobId" and e.sequence > p."afterSequence"
      and (p."afterSequence" > 0 or e.time >= ${since}) and ${inScope(sql, "e.owner_id")}
    order by e.job_id, e.sequence limit ${limit}`;
  return rows.map((row) => ({ ...row, sequence: Number(row.sequence) }));
}
