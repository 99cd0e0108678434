import { canBecome, isFinal, type JobStatus } from "../../src/jobs/model.ts";

/** An event as the database keeps it. */
export interface LogEntry {
  readonly sequence: number;
  readonly time: Date;
  readonly type: string;
  readonly payload: {
    readonly status?: string;
    readonly previousStatus?: JobStatus | null;
    readonly attempt?: number;
    readonly error?: { readonly reason?: string } | null;
    readonly lostWorker?: string;
    readonly name?: string;
    readonly index?: number;
    readonly fromCheckpoint?: boolean;
    readonly stage?: string;
  };
}

/** What is wrong with a log: numbers that are missing, more than one end in one life, the hand of a second worker, or a way that no job may take. */
export type LogBreach = "gap" | "ended twice" | "two writers" | "wrong turn" | "failed";

/** Time for which a worker held the job. */
export interface Held {
  readonly from: Date;
  readonly to: Date;
}

export interface LogReading {
  readonly breaches: readonly { readonly kind: LogBreach; readonly detail: string }[];
  readonly status: JobStatus | null;
  readonly held: readonly Held[];
  /** How often it was run again after it had ended. */
  readonly retries: number;
  /** How often it was set aside because three workers were lost with it. */
  readonly quarantines: number;
}

const LOST_CLAIMS_OF_QUARANTINE = 3;

/** How far the worker that holds the job is, told by its log. */
interface Tenure {
  readonly from: Date;
  readonly attempt: number;
  running: { index: number; name: string } | null;
  done: number;
}

/**
 * Reads the log of one job as the story of one worker at a time: under each claim the stages follow each other, each
 * begun before it ends, and the job completes when all have ended. Whatever a worker writes that lost the job does
 * not fit into the story of the one that has it now. A life ends with a final status; only RetryJob begins another.
 */
export function readLog(events: readonly LogEntry[], stagesTotal: number): LogReading {
  const breaches: { kind: LogBreach; detail: string }[] = [];
  const held: Held[] = [];
  let status: JobStatus | null = null;
  let attempt = 0;
  let lostClaims = 0;
  let retries = 0;
  let quarantines = 0;
  let tenure: Tenure | null = null;
  let expected = 1;

  const changed = (event: LogEntry, report: (kind: LogBreach, why: string) => void): void => {
    const { payload, time } = event;
    const next = payload.status as JobStatus;
    const previous = payload.previousStatus ?? null;
    if (status !== null && isFinal(status) && isFinal(next)) report("ended twice", `${status}, then ${next}`);
    else if (previous !== status || (status !== null && !canBecome(status, next)))
      report("wrong turn", `from ${previous} to ${next} while it was ${status}`);
    if (next === "PROCESSING") {
      if (payload.attempt !== attempt + 1)
        report("wrong turn", `attempt ${payload.attempt} after ${attempt}`);
      tenure = { from: time, attempt: payload.attempt ?? 0, running: null, done: 0 };
    }
    if (next === "COMPLETED" && (tenure === null || tenure.running || tenure.done !== stagesTotal))
      report("two writers", `completed after ${tenure?.done ?? 0} of ${stagesTotal} stages of this claim`);
    if (payload.lostWorker !== undefined) lostClaims++;
    if (next === "FAILED") {
      const reason = payload.error?.reason ?? "no reason";
      const fair = reason === "QUARANTINED" && lostClaims >= LOST_CLAIMS_OF_QUARANTINE;
      if (fair) quarantines++;
      else report("failed", `${reason} after ${lostClaims} lost claims`);
    }
    if (status !== null && isFinal(status) && next === "CREATED") {
      retries++;
      lostClaims = 0;
    }
    if (tenure && next !== "PROCESSING" && next !== "CANCELLING") {
      held.push({ from: tenure.from, to: time });
      tenure = null;
    }
    attempt = payload.attempt ?? attempt;
    status = next;
  };

  for (const event of events) {
    const report = (kind: LogBreach, why: string): void => {
      breaches.push({ kind, detail: `event ${event.sequence}: ${why}` });
    };
    if (event.sequence !== expected) report("gap", `comes where ${expected} should`);
    expected = event.sequence + 1;
    if (event.type === "status_changed") changed(event, report);
    else staged(event, tenure, (why) => report("two writers", why));
  }
  return { breaches, status, held, retries, quarantines };
}

/** An event of a stage, seen by what the holder of the job has written before. */
function staged({ type, payload }: LogEntry, tenure: Tenure | null, report: (why: string) => void): void {
  const { index = -1, name = "" } = payload;
  // A caller's line, e.g. why the job was cancelled.
  if (type === "log" && payload.stage === undefined) return;
  if (tenure === null) {
    report(`${type} of ${name || payload.stage} while nobody held the job`);
    return;
  }
  const { running, done } = tenure;
  switch (type) {
    case "stage_started":
      if (running || index !== done) report(`stage ${name} began while ${running?.name ?? done} was due`);
      if (payload.attempt !== tenure.attempt)
        report(`stage ${name} began for attempt ${payload.attempt}, the claim was ${tenure.attempt}`);
      tenure.running = { index, name };
      return;
    case "stage_finished":
      if (payload.fromCheckpoint ? running || index !== done : running?.index !== index)
        report(`stage ${name} ended, but ${running ? `${running.name} ran` : "none ran"}`);
      tenure.running = null;
      tenure.done = payload.status === "FAILED" ? done : index + 1;
      return;
    default:
      if (running?.name !== (payload.stage ?? name))
        report(`${type} of ${payload.stage ?? name}, but ${running?.name ?? "no stage"} ran`);
  }
}
