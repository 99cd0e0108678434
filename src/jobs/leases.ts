import type { DatabaseClock } from "../db/clock.ts";
import type { Database, DedicatedPool } from "../db/sql.ts";
import type { EventBus } from "../events/bus.ts";
import type { Queue } from "../queue/queue.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ClaimedJob } from "./claim-queries.ts";
import { LeaseLostError } from "./errors.ts";
import {
  type Checkpoint,
  type CheckpointKey,
  type Completion,
  completeJob,
  confirmCancel,
  failAttempt,
  type Held,
  type Lease,
  listCheckpoints,
  type Progress,
  readCheckpoint,
  readEnd,
  readHeld,
  readOrders,
  recordProgress,
  recordStep,
  releaseLeases,
  type StageEnd,
  type StageStart,
  type Step,
} from "./lease-queries.ts";
import type { JobError } from "./model.ts";
import { forgetWorkers, type Recovered, recoverExpired } from "./recovery-queries.ts";

export type {
  Checkpoint,
  ClaimedJob,
  Completion,
  Held,
  Lease,
  Progress,
  Recovered,
  StageEnd,
  StageStart,
  Step,
};

/** Where a write of a running attempt stands among the events of its job. */
export interface Turn {
  /** The newest event, as far as its worker knows; null = written whatever is. */
  readonly after: number | null;
  /** The same was asked for before, after the same event, and got no answer. */
  readonly again: boolean;
}

const ANY_TURN: Turn = { after: null, again: false };
/** Others write an event or two to a job that is held; more often than that a turn is not missed. */
const MAX_TURNS = 5;

/** Somebody else has written events to a job that is held, so that nobody can tell whether its worker's are among them. */
const unclear = (jobId: string): Error =>
  new Error(`the events of job ${jobId} are not those that its worker wrote`);

/** Expired leases mended in one statement. */
const SWEEP_BATCH = 200;

export type Leases = ReturnType<typeof createLeases>;

/**
 * The verbs of workers. Each names its lease; when the lease is lost nothing is written and the verb throws
 * `LeaseLostError`. Watchers are told after the commit.
 */
export function createLeases(deps: {
  db: Database;
  bus: EventBus;
  queue: Queue<ClaimedJob>;
  metrics: Metrics;
  clock: Pick<DatabaseClock, "ask">;
  leaseMs: number;
  /** How long a job is kept after its end; null: until it is deleted. */
  retentionMs: number | null;
}) {
  const { db, bus, queue, metrics, clock, leaseMs, retentionMs } = deps;
  // Orders and the sweep wait behind nobody's statements. Heartbeats have a connection of their own.
  const duties: DedicatedPool = db.dedicated({
    name: "duties",
    max: 2,
    statementTimeoutMs: 10_000,
  });

  /**
   * Makes a write of a running attempt once, though it may be asked for again. One that is not `again` cannot have been
   * made, so that others have written events meanwhile, as an order to cancel does, only gives it another number.
   */
  const once = async (
    lease: Lease,
    events: number,
    { after, again }: Turn,
    write: (after: number | null) => Promise<Held | null>,
  ): Promise<Held> => {
    let turn = after;
    for (let tries = 0; tries < MAX_TURNS; tries++) {
      const written = await write(turn);
      if (written) {
        bus.announce("events", [lease.jobId]);
        return written;
      }
      const held = await readHeld(db.sql, lease);
      if (!held) throw new LeaseLostError(lease.jobId);
      if (again) {
        // A job that is to be cancelled needs no more of its steps.
        if (!held.cancel && held.sequence !== (after ?? 0) + events) throw unclear(lease.jobId);
        bus.announce("events", [lease.jobId]);
        return held;
      }
      turn = held.sequence;
    }
    throw unclear(lease.jobId);
  };

  return {
    /** How long a lease holds without a heartbeat. */
    leaseMs,

    /** Up to `limit` waiting jobs, each with a lease of its own, by priority and in turns among owners. */
    async claim(workerId: string, limit: number, now: () => number): Promise<ClaimedJob[]> {
      const claimed = await queue.dequeue(workerId, limit);
      for (const { job } of claimed) {
        metrics.pickupSeconds.observe(
          { priority: job.priority },
          Math.max(0, now() - job.runTime.getTime()) / 1000,
        );
      }
      bus.announce(
        "events",
        claimed.map(({ job }) => job.id),
      );
      return claimed;
    },

    /** The jobs among these leases that are ordered to stop. */
    async orders(leases: readonly Lease[]): Promise<string[]> {
      return await readOrders(duties.sql, leases);
    },

    /** Writes the end of a stage and the start of the next, once whatever `turn` says. @throws LeaseLostError */
    async step(lease: Lease, step: Step, turn: Turn = ANY_TURN): Promise<Held> {
      return await once(lease, step.events.length, turn, (after) => recordStep(db.sql, lease, step, after));
    },

    /** Writes how far the stage is. @throws LeaseLostError */
    async progress(lease: Lease, progress: Progress, turn: Turn = ANY_TURN): Promise<Held> {
      const events = progress.events.length;
      return await once(lease, events, turn, (after) => recordProgress(db.sql, lease, progress, after));
    },

    async checkpoints(jobId: string): Promise<CheckpointKey[]> {
      return await listCheckpoints(db.sql, jobId);
    },

    async checkpoint(jobId: string, position: number): Promise<Checkpoint | null> {
      return await readCheckpoint(db.sql, jobId, position);
    },

    /**
     * Status, result and final event in one commit. Answers the objects that nothing refers to any more, or
     * null when the lease is lost or a cancel came first.
     * @param again the same was asked for before and got no answer: what that has written counts
     */
    async complete(
      { job, entry, lease }: ClaimedJob,
      result: Completion,
      again = false,
    ): Promise<{ orphans: string[] } | null> {
      const done = await completeJob(db.sql, lease, result, retentionMs);
      if (!done && !(again && (await readEnd(db.sql, lease)) === "COMPLETED")) return null;
      metrics.jobsCompleted.inc({ pipeline: job.pipelineName, priority: job.priority });
      bus.announce("events", [job.id]);
      await queue.ack([entry]);
      return done ?? { orphans: [] };
    },

    /**
     * Ends the attempt; the job waits again when `retryInMs` is given. Null when the lease is lost or a cancel came
     * first. `again` as for `complete`.
     */
    async fail(
      { job, entry, lease }: ClaimedJob,
      failure: { error: JobError; retryInMs: number | null },
      again = false,
    ): Promise<"FAILED" | "CREATED" | null> {
      const wanted = failure.retryInMs === null ? "FAILED" : "CREATED";
      const done = await failAttempt(db.sql, lease, failure, retentionMs);
      if (!done && !(again && (await readEnd(db.sql, lease)) === wanted)) return null;
      const { reason } = failure.error;
      bus.announce("events", [job.id]);
      if (wanted === "FAILED") {
        metrics.jobsFailed.inc({ pipeline: job.pipelineName, priority: job.priority, reason });
        await queue.ack([entry]);
      } else {
        metrics.jobsRetried.inc({ pipeline: job.pipelineName, reason });
        // After a lost answer nobody here knows where the job stands by now; a line that misses it is mended soon.
        await (done ? queue.nack([done.entry]) : queue.ack([entry]));
      }
      return wanted;
    },

    /** Ends a job that was ordered to stop. False when the lease is lost. `again` as for `complete`. */
    async cancelled({ job, entry, lease }: ClaimedJob, again = false): Promise<boolean> {
      const done = await confirmCancel(db.sql, lease, retentionMs);
      if (!done && !(again && (await readEnd(db.sql, lease)) === "CANCELLED")) return false;
      metrics.jobsCancelled.inc({ pipeline: job.pipelineName, priority: job.priority });
      bus.announce("events", [job.id]);
      await queue.ack([entry]);
      return true;
    },

    /**
     * Hands jobs back untouched. Answers the ids of those that were still held and not ordered to stop. `again` as for
     * `complete`.
     */
    async release(leases: readonly Lease[], again = false): Promise<string[]> {
      if (leases.length === 0) return [];
      const entries = await releaseLeases(db.sql, leases);
      const ids = new Set(entries.map(({ id }) => id));
      for (const lease of again ? leases : []) {
        if (!ids.has(lease.jobId) && (await readEnd(db.sql, lease)) === "CREATED") ids.add(lease.jobId);
      }
      bus.announce("events", [...ids]);
      await queue.release(entries);
      return [...ids];
    },

    /** Takes back what others have lost, unless another process is at it. Answers what was done. */
    async sweep(): Promise<Recovered[]> {
      const all: Recovered[] = [];
      let batch: Recovered[];
      do {
        batch = await recoverExpired(duties.sql, SWEEP_BATCH, retentionMs);
        all.push(...batch);
        for (const { status, pipelineName: pipeline, priority } of batch) {
          if (status === "FAILED") {
            metrics.jobsFailed.inc({ pipeline, priority, reason: "QUARANTINED" });
            metrics.jobsQuarantined.inc({ pipeline, priority });
          } else if (status === "CANCELLED") metrics.jobsCancelled.inc({ pipeline, priority });
        }
        bus.announce(
          "events",
          batch.map(({ id }) => id),
        );
        const entriesOf = (again: boolean) =>
          batch.filter(({ status }) => (status === "CREATED") === again).map(({ entry }) => entry);
        await queue.nack(entriesOf(true));
        await queue.ack(entriesOf(false));
      } while (batch.length === SWEEP_BATCH);
      metrics.leasesLost.inc({ cause: "expired" }, all.length);
      // Every process comes here every few seconds, so this is where it compares its clock.
      const compare = clock.ask();
      compare(await forgetWorkers(duties.sql));
      return all;
    },
  };
}
