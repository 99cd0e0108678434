import type { Book } from "./book.ts";
import type { Fleet } from "./fleet.ts";
import { type LogEntry, type LogReading, readLog } from "./log.ts";
import { overlapping } from "./overlap.ts";
import type { Watched } from "./watches.ts";

/** One line of the verdict. */
export interface Count {
  readonly name: string;
  readonly count: number;
  /** Each breach in words; absent for figures that break nothing. */
  readonly breaches?: readonly string[];
  /** What else is worth to be read. */
  readonly examples?: readonly string[];
}

interface JobRow {
  readonly id: string;
  readonly owner: string;
  readonly key: string | null;
  readonly n: string;
  readonly status: string;
  readonly leased: boolean;
  readonly stagesTotal: number;
  readonly results: number;
  readonly contents: number;
  readonly ownText: boolean | null;
}

const FORMATS = 4;

/** Counts everything that the run has left in the database against what clients and streams have seen. */
export async function judge(fleet: Fleet, book: Book, watches: readonly Watched[]): Promise<Count[]> {
  const jobs = await readJobs(fleet);
  const logs = await readLogs(fleet);
  const readings = new Map(jobs.map((job) => [job.id, readLog(logs.get(job.id) ?? [], job.stagesTotal)]));
  const isFinal = ({ status }: JobRow): boolean => ["COMPLETED", "CANCELLED", "FAILED"].includes(status);
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const completed = jobs.filter(({ status }) => status === "COMPLETED");
  const namesOf = (rows: readonly JobRow[]): string[] =>
    rows.map(({ id, n, status }) => `job ${n} ${id} ${status}`);
  const breach = (name: string, breaches: readonly string[]): Count => ({
    name,
    count: breaches.length,
    breaches,
  });
  const inLogs = (name: string, ...kinds: LogReading["breaches"][number]["kind"][]): Count =>
    breach(
      name,
      jobs.flatMap(({ id, n }) =>
        (readings.get(id)?.breaches ?? [])
          .filter(({ kind }) => kinds.includes(kind))
          .slice(0, 1)
          .map(({ detail }) => `job ${n} ${id}, ${detail}`),
      ),
    );
  return [
    { name: "jobs acknowledged", count: book.acknowledged.size },
    { name: "completed", count: completed.length },
    { name: "cancelled", count: jobs.filter(({ status }) => status === "CANCELLED").length },
    {
      name: "run again by RetryJob",
      count: [...readings.values()].filter(({ retries }) => retries > 0).length,
    },
    {
      name: "set aside after three lost workers, and then run again",
      count: [...readings.values()].filter(({ quarantines }) => quarantines > 0).length,
    },
    { name: "creates repeated on purpose", count: book.repeats },
    { name: "calls made again after UNAVAILABLE", count: book.unavailable },
    { name: "streams watched to the end", count: watches.length },
    { name: "reconnects of streams", count: watches.reduce((sum, { reconnects }) => sum + reconnects, 0) },
    breach(
      "lost: acknowledged, but not there",
      [...book.acknowledged].filter(([id]) => !byId.has(id)).map(([id, { n }]) => `job ${n} ${id}`),
    ),
    breach("lost: not final", namesOf(jobs.filter((job) => !isFinal(job)))),
    breach(
      "lost: cancelled without a client's order",
      namesOf(jobs.filter(({ id, status }) => status === "CANCELLED" && !book.cancels.has(id))),
    ),
    breach("duplicates: two jobs of one create", twins(jobs)),
    breach(
      "duplicates: more results than one",
      namesOf(completed.filter(({ results, contents }) => results > 1 || contents > FORMATS)),
    ),
    inLogs("duplicates: more than one final event in a life", "ended twice"),
    inLogs("duplicates: work of a lost lease written", "two writers"),
    breach(
      "completed without its whole result",
      namesOf(completed.filter(({ results, contents }) => results < 1 || contents < FORMATS)),
    ),
    breach("with the result of another job", namesOf(completed.filter(({ ownText }) => ownText === false))),
    breach(
      "with a result but not completed",
      namesOf(jobs.filter(({ status, results }) => status !== "COMPLETED" && results > 0)),
    ),
    breach(
      "without a final event at the end",
      namesOf(jobs.filter((job) => isFinal(job) && readings.get(job.id)?.status !== job.status)),
    ),
    inLogs("sequences with a gap", "gap"),
    inLogs("with a change of status that may not be", "wrong turn"),
    inLogs("failed", "failed"),
    breach("leases left", namesOf(jobs.filter(({ leased }) => leased))),
    breach(
      "two of one concurrency key at once",
      overlapping(
        jobs.flatMap(({ id, owner, key }) =>
          key === null
            ? []
            : (readings.get(id)?.held ?? []).map((held) => ({ ...held, id, key: `${owner} ${key}` })),
        ),
      ),
    ),
    breach(
      "streams that missed or doubled an event",
      watches.flatMap((watched) => faultOf(watched, logs.get(watched.id) ?? [])),
    ),
    breach("answers that no client should see", book.complaints),
  ];
}

async function readJobs(fleet: Fleet): Promise<JobRow[]> {
  return await fleet.postgres.ask(
    (sql) => sql<JobRow[]>`
      select j.id, j.owner_id as owner, j.concurrency_key as key, j.labels->>'n' as n, j.status,
        j.lease_token is not null as leased, j.stages_total as "stagesTotal",
        (select count(*)::int from job_results r where r.job_id = j.id) as results,
        (select count(*)::int from job_result_contents c where c.job_id = j.id) as contents,
        (select starts_with(r.extracted_text, format('Job %s.', j.labels->>'n'))
          from job_results r where r.job_id = j.id) as "ownText"
      from jobs j order by j.id`,
  );
}

async function readLogs(fleet: Fleet): Promise<Map<string, LogEntry[]>> {
  const rows = await fleet.postgres.ask(
    (sql) => sql<(LogEntry & { jobId: string })[]>`
      select job_id as "jobId", sequence::int, time, type, payload from job_events order by job_id, sequence`,
  );
  return Map.groupBy(rows, ({ jobId }) => jobId);
}

function twins(jobs: readonly JobRow[]): string[] {
  return [...Map.groupBy(jobs, ({ n }) => n)]
    .filter(([, same]) => same.length > 1)
    .map(([n, same]) => `job ${n}: ${same.map(({ id }) => id).join(", ")}`);
}

/** A stream brings what the log has, each event once and in order, up to a final one. */
function faultOf({ id, seen, end }: Watched, log: readonly LogEntry[]): string[] {
  const stands = log
    .slice(0, seen.length)
    .map(({ sequence, type, payload }) =>
      type === "status_changed" ? `${sequence} ${type} ${payload.status}` : `${sequence} ${type}`,
    );
  const at = seen.findIndex((event, i) => event !== stands[i]);
  if (at >= 0) return [`${id}: it brought "${seen[at]}" where the log has "${stands[at] ?? "nothing"}"`];
  return end === "final" ? [] : [`${id}: after ${seen.length} events: ${end}`];
}
