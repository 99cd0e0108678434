import { array, type Sql } from "../db/sql.ts";
import type { Breach } from "./scan.ts";

/** Rules that hold between the row of a job and its events, which one statement writes together. */
export async function eventBreaches(sql: Sql, ids: readonly string[]): Promise<Breach[]> {
  return await sql<Breach[]>`
    with seen as (
      select j.id, j.status, j.last_sequence, j.status in ('COMPLETED', 'FAILED', 'CANCELLED') as ended,
        count(e.sequence) as events, coalesce(min(e.sequence), 0) as first, coalesce(max(e.sequence), 0) as last,
        coalesce(max(e.sequence) filter (where e.type = 'status_changed' and e.payload->>'status' = 'CREATED'), 0)
          as in_line,
        coalesce(array_agg(e.sequence) filter (where e.type = 'status_changed'
          and e.payload->>'status' in ('COMPLETED', 'FAILED', 'CANCELLED')), '{}') as ends
      from jobs j left join job_events e on e.job_id = j.id
      where j.id = any(${array(ids)}::text::uuid[]) group by j.id
    ), told as (
      -- Ends since the job was last put in the line.
      select s.*, (select count(*) from unnest(s.ends) as at where at > s.in_line) as final,
        l.type = 'status_changed' and l.payload->>'status' = s.status as last_fits
      from seen s left join job_events l on l.job_id = s.id and l.sequence = s.last
    )
    select t.id, p.problem from told t cross join lateral (values
      ('SEQUENCE_GAP', t.events <> t.last or (t.events > 0 and t.first <> 1) or t.last_sequence = 0),
      ('LAST_SEQUENCE_LOW', t.last_sequence < t.last),
      ('LAST_SEQUENCE_HIGH', t.last_sequence > t.last),
      ('FINAL_EVENT_MISSING', t.ended and t.final = 0),
      ('FINAL_EVENT_TWICE', t.final > 1),
      ('FINAL_EVENT_TOO_EARLY', not t.ended and t.final > 0),
      ('FINAL_EVENT_OTHER', t.ended and t.final = 1 and not coalesce(t.last_fits, false))
    ) as p(problem, broken) where p.broken order by t.id`;
}

/** Raises the last sequence of those of these jobs that have later events. Answers which. */
export async function raiseSequences(sql: Sql, ids: readonly string[]): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    with locked as (
      -- Before the events are read: a writer raises the number and adds its events under this lock.
      select id from jobs where id = any(${array(ids)}::text::uuid[]) order by id for update
    ), logged as materialized (
      select l.id, (select max(sequence) from job_events where job_id = l.id) as last from locked l
    )
    update jobs set last_sequence = logged.last from logged
    where jobs.id = logged.id and jobs.last_sequence < logged.last returning jobs.id`;
  return rows.map(({ id }) => id);
}
