import type { DatabaseClock } from "../db/clock.ts";
import type { Database, DedicatedPool } from "../db/sql.ts";
import type { EventBus } from "../events/bus.ts";
import type { Queue } from "../queue/queue.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { LeaseLostError } from "./errors.ts";
import {
  type Checkpoint,
  type ClaimedJob,
  type Completion,
  completeJob,
  confirmCancel,
  failAttempt,
  forgetWorkers,
  type Lease,
  listCheckpoints,
  type Progress,
  type Recovered,
  readCheckpoint,
  readOrders,
  recordProgress,
  recordStep,
  recoverExpired,
  releaseLeases,
  type StageEnd,
  type StageStart,
} from "./lease-queries.ts";
import type { JobError } from "./model.ts";

export type { Checkpoint, ClaimedJob, Completion, Lease, Recovered, StageEnd, StageStart };

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
}) {
  const { db, bus, queue, metrics, clock, leaseMs } = deps;
  // Orders and the sweep wait behind nobody's statements. Heartbeats have a connection of their own.
  const duties: DedicatedPool = db.dedicated({
    name: "duties",
    max: 2,
    statementTimeoutMs: 10_000,
  });

  const held = (jobId: string, answer: { held: boolean; cancel: boolean }): { cancel: boolean } => {
    if (!answer.held) throw new LeaseLostError(jobId);
    bus.announce("events", [jobId]);
    return { cancel: answer.cancel };
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

    /** Writes the end of a stage and the start of the next. @throws LeaseLostError */
    async step(lease: Lease, step: Parameters<typeof recordStep>[2]): Promise<{ cancel: boolean }> {
      return held(lease.jobId, await recordStep(db.sql, lease, step));
    },

    /** Writes how far the stage is. @throws LeaseLostError */
    async progress(lease: Lease, progress: Progress): Promise<{ cancel: boolean }> {
      return held(lease.jobId, await recordProgress(db.sql, lease, progress));
    },

    async checkpoints(jobId: string): Promise<{ position: number; key: string }[]> {
      return await listCheckpoints(db.sql, jobId);
    },

    async checkpoint(jobId: string, position: number): Promise<Checkpoint | null> {
      return await readCheckpoint(db.sql, jobId, position);
    },

    /**
     * Status, result and final event in one commit. Answers the objects that nothing refers to any more, or
     * null when the lease is lost or a cancel came first.
     */
    async complete(
      { job, entry, lease }: ClaimedJob,
      result: Completion,
    ): Promise<{ orphans: string[] } | null> {
      const done = await completeJob(db.sql, lease, result);
      if (!done) return null;
      metrics.jobsCompleted.inc({ pipeline: job.pipelineName, priority: job.priority });
      bus.announce("events", [job.id]);
      await queue.ack([entry]);
      return done;
    },

    /** Ends the attempt; the job waits again when `retryInMs` is given. Null when the lease is lost or a cancel came first. */
    async fail(
      { job, lease }: ClaimedJob,
      failure: { error: JobError; retryInMs: number | null },
    ): Promise<"FAILED" | "CREATED" | null> {
      const done = await failAttempt(db.sql, lease, failure);
      if (!done) return null;
      const { reason } = failure.error;
      bus.announce("events", [job.id]);
      if (done.status === "FAILED") {
        metrics.jobsFailed.inc({ pipeline: job.pipelineName, priority: job.priority, reason });
        await queue.ack([done.entry]);
      } else {
        metrics.jobsRetried.inc({ pipeline: job.pipelineName, reason });
        await queue.nack([done.entry]);
      }
      return done.status;
    },

    /** Ends a job that was ordered to stop. False when the lease is lost. */
    async cancelled({ job, entry, lease }: ClaimedJob): Promise<boolean> {
      const done = await confirmCancel(db.sql, lease);
      if (!done) return false;
      metrics.jobsCancelled.inc({ pipeline: job.pipelineName, priority: job.priority });
      bus.announce("events", [job.id]);
      await queue.ack([entry]);
      return true;
    },

    /** Hands jobs back untouched. Answers the ids of those that were still held and not ordered to stop. */
    async release(leases: readonly Lease[]): Promise<string[]> {
      if (leases.length === 0) return [];
      const entries = await releaseLeases(db.sql, leases);
      const ids = entries.map(({ id }) => id);
      bus.announce("events", ids);
      await queue.release(entries);
      return ids;
    },

    /** Takes back what others have lost, unless another process is at it. Answers what was done. */
    async sweep(): Promise<Recovered[]> {
      const all: Recovered[] = [];
      let batch: Recovered[];
      do {
        batch = await recoverExpired(duties.sql, SWEEP_BATCH);
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
