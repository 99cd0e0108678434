import type { Fragment, Sql } from "../db/sql.ts";
import type { QueueEntry } from "../queue/queue.ts";
import { type Job, priorityOfRank, priorityRank } from "./model.ts";

type Derived =
  | "priority"
  | "timeoutMs"
  | "lastSequence"
  | "concurrencyKey"
  | "requestId"
  | "stageMessage"
  | "peakMemoryBytes";

/** A row of `jobs` as the driver gives it: bigints as text. */
export type JobRow = Omit<Job, Derived> & {
  concurrencyKey: string | null;
  requestId: string | null;
  stageMessage: string | null;
  priority: number;
  timeoutMs: string | null;
  peakMemoryBytes: string | null;
  lastSequence: string;
};

const COLUMNS = [
  ["id"],
  ["owner_id"],
  ["status"],
  ["priority"],
  ["pipeline_id"],
  ["pipeline_name"],
  ["pipeline_version"],
  ["document_id"],
  ["labels"],
  ["parameters"],
  ["attempt"],
  ["max_attempts"],
  ["run_time"],
  ["timeout_ms"],
  ["concurrency_key"],
  ["concurrency_limit"],
  ["parked"],
  ["request_id"],
  ["locked_by", "worker_id"],
  ["peak_memory_bytes"],
  ["stage"],
  ["stage_share"],
  ["stage_message"],
  ["stages_done"],
  ["stages_total"],
  ["error"],
  ["last_sequence"],
  ["version"],
  ["created_at", "create_time"],
  ["updated_at", "update_time"],
  ["started_at", "start_time"],
  ["ended_at", "end_time"],
  ["expires_at", "expire_time"],
] as const;

/** The columns of a `Job`, named as its fields, of the table or CTE `from`. */
export function jobColumns(sql: Sql, from?: "j"): Fragment {
  const prefix = from ? `${from}.` : "";
  return sql.unsafe(
    COLUMNS.map(([column, field]) => `${prefix}${column}${field ? ` as ${field}` : ""}`).join(", "),
  );
}

export function jobFromRow(row: JobRow): Job {
  return {
    ...row,
    priority: priorityOfRank(row.priority),
    timeoutMs: row.timeoutMs === null ? null : Number(row.timeoutMs),
    peakMemoryBytes: row.peakMemoryBytes === null ? null : Number(row.peakMemoryBytes),
    lastSequence: Number(row.lastSequence),
    concurrencyKey: row.concurrencyKey ?? "",
    requestId: row.requestId ?? "",
    stageMessage: row.stageMessage ?? "",
  };
}

/** The job as the queue knows it. */
export function entryOf(job: Job): QueueEntry {
  return {
    id: job.id,
    ownerId: job.ownerId,
    rank: priorityRank(job.priority),
    runTime: job.runTime,
    // Both by the clock of the database, and a change that lets a job begin at once writes one time into both.
    isDue: job.runTime <= job.updateTime,
    concurrencyKey: job.concurrencyKey || null,
    parked: job.parked,
  };
}
