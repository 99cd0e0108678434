import type { ClaimedJob, Completion, Held, Leases, Progress, Step } from "../jobs/leases.ts";
import type { JobError } from "../jobs/model.ts";
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../telemetry/logger.ts";
import { type PersistOptions, persist } from "./persist.ts";

export interface AttemptWriterDeps {
  readonly leases: Leases;
  readonly claimed: ClaimedJob;
  readonly control: {
    readonly stop: AbortController;
    readonly over: AbortSignal;
    readonly renewedAt: number;
  };
  readonly logger: Logger;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly random: () => number;
}

export type AttemptWriter = ReturnType<typeof createAttemptWriter>;

/**
 * What one attempt reads and writes of its job. While the database is away each of them is tried again, for as long as the
 * lease may still be ours: a few seconds without a database cost a running job those seconds. What was committed
 * although its answer was lost is found again, and counts. What comes while the attempt runs ends with an order to
 * stop; its end is waited for until its worker waits for nothing any more.
 */
export function createAttemptWriter(deps: AttemptWriterDeps) {
  const { leases, claimed, control, logger, now, random } = deps;
  const { job, lease } = claimed;
  const { signal } = control.stop;
  const common: Omit<PersistOptions, "signals"> = {
    until: () => control.renewedAt + leases.leaseMs,
    longestMs: leases.leaseMs,
    now,
    random,
    onLoss: (error) =>
      logger.warn(
        { jobId: job.id, error: messageOf(error) },
        "the database is away; the attempt waits for it as long as its lease holds",
      ),
  };
  /** The newest event of the job, as far as this attempt knows. */
  let newest = job.lastSequence;

  const whileRunning = <T>(work: (again: boolean) => Promise<T>): Promise<T> =>
    persist(
      async (again) => {
        if (again) signal.throwIfAborted();
        return await work(again);
      },
      { ...common, signals: [signal, control.over] },
    );

  const atEnd = <T>(work: (again: boolean) => Promise<T>): Promise<T> =>
    persist(work, { ...common, signals: [control.over] });

  const inTurn = async (
    write: (turn: { after: number; again: boolean }) => Promise<Held>,
  ): Promise<{ cancel: boolean }> => {
    const after = newest;
    const held = await whileRunning((again) => write({ after, again }));
    newest = held.sequence;
    return held;
  };

  return {
    /** Something that may be read twice. */
    read: <T>(work: () => Promise<T>): Promise<T> => whileRunning(work),

    /** @throws LeaseLostError */
    step: (step: Step): Promise<{ cancel: boolean }> => inTurn((turn) => leases.step(lease, step, turn)),

    /** @throws LeaseLostError */
    progress: (progress: Progress): Promise<{ cancel: boolean }> =>
      inTurn((turn) => leases.progress(lease, progress, turn)),

    /** Null when the lease is lost or a cancel came first. */
    complete: (result: Completion): Promise<{ orphans: string[] } | null> =>
      atEnd((again) => leases.complete(claimed, result, again)),

    /** Null when the lease is lost or a cancel came first. */
    fail: (failure: { error: JobError; retryInMs: number | null }): Promise<"FAILED" | "CREATED" | null> =>
      atEnd((again) => leases.fail(claimed, failure, again)),

    /** Hands the job back untouched. False when the lease is lost or a cancel came first. */
    release: async (): Promise<boolean> =>
      (await atEnd((again) => leases.release([lease], again))).length > 0,

    /** Confirms an order to cancel. False when the lease is lost. */
    cancelled: (): Promise<boolean> => atEnd((again) => leases.cancelled(claimed, again)),
  };
}
