import { randomUUID } from "node:crypto";
import { type Database, type DedicatedPool, sqlState } from "../db/sql.ts";
import type { EventBus } from "../events/bus.ts";
import type { NewEvent } from "../events/model.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createClaimer } from "./claimer.ts";
import { LeaseLostError } from "./errors.ts";
import {
  type Checkpoint,
  type Claim,
  type ClaimedJob,
  type Completion,
  claimJobs,
  completeJob,
  confirmCancel,
  failAttempt,
  forgetWorkers,
  type Lease,
  type LeaseOrder,
  listCheckpoints,
  type Recovered,
  readCheckpoint,
  readOrders,
  recordProgress,
  recordStep,
  recoverExpired,
  releaseLeases,
  removeWorker,
  renewLeases,
  type StageEnd,
  type StageStart,
  tryLockSweep,
  type WorkerFacts,
} from "./lease-queries.ts";
import type { JobError } from "./model.ts";

export type {
  Checkpoint,
  ClaimedJob,
  Completion,
  Lease,
  LeaseOrder,
  Recovered,
  StageEnd,
  StageStart,
  WorkerFacts,
};

const CLAIM_SETTINGS = {
  // A claim that a crash of the server loses leaves its jobs waiting.
  synchronous_commit: "off",
  // The claim hops along an index and takes a few rows by their ids. Statistics of a table that changes as fast as
  // this one sometimes promise more of reading it whole; these leave the planner no such choice.
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
};
const UNIQUE_VIOLATION = "23505";
const MAX_CLAIM_TRIES = 5;
/** Expired leases mended in one statement. */
const SWEEP_BATCH = 200;

export type Leases = ReturnType<typeof createLeases>;

/**
 * The verbs of workers. Each names its lease; when the lease is lost nothing is written and the verb throws
 * `LeaseLostError`. Watchers are told after the commit.
 */
export function createLeases(deps: { db: Database; bus: EventBus; metrics: Metrics; leaseMs: number }) {
  const { db, bus, metrics, leaseMs } = deps;
  // Heartbeats and claims wait behind nobody's statements.
  const claims: DedicatedPool = db.dedicated({
    name: "claim",
    max: 1,
    statementTimeoutMs: 10_000,
    settings: CLAIM_SETTINGS,
  });
  const beats: DedicatedPool = db.dedicated({
    name: "heartbeat",
    max: 2,
    statementTimeoutMs: 10_000,
    // A process that freezes in the middle of a sweep has its lock; until it is taken away nobody recovers anything.
    settings: { idle_in_transaction_session_timeout: "5000" },
  });

  const held = (jobId: string, answer: { held: boolean; cancel: boolean }): { cancel: boolean } => {
    if (!answer.held) throw new LeaseLostError(jobId);
    bus.announce("events", [jobId]);
    return { cancel: answer.cancel };
  };

  const claimAgain = async (claim: Claim): Promise<ClaimedJob[]> => {
    for (let tries = 1; ; tries++) {
      try {
        return await claimJobs(claims.sql, claim);
      } catch (error) {
        // Another worker has begun a job with the same concurrency key at this moment; now it is seen.
        if (sqlState(error) !== UNIQUE_VIOLATION || tries === MAX_CLAIM_TRIES) throw error;
      }
    }
  };

  const claimers = new Map<string, ReturnType<typeof createClaimer>>();
  const claimerOf = (workerId: string) => {
    const claimer =
      claimers.get(workerId) ??
      createClaimer({ newTurn: randomUUID, claim: (claim) => claimAgain({ ...claim, workerId, leaseMs }) });
    claimers.set(workerId, claimer);
    return claimer;
  };

  return {
    /** How long a lease holds without a heartbeat. */
    leaseMs,

    /** Up to `limit` waiting jobs, each with a lease of its own, by priority and in turns among owners. */
    async claim(workerId: string, limit: number, now: () => number): Promise<ClaimedJob[]> {
      const claimed = await claimerOf(workerId)(limit);
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

    /** Prolongs the leases; one that is missing in the answer is lost. */
    async renew(worker: WorkerFacts, leases: readonly Lease[]): Promise<LeaseOrder[]> {
      return await renewLeases(beats.sql, worker, leases, leaseMs);
    },

    /** Which of the leases are to be cancelled. */
    async orders(leases: readonly Lease[]): Promise<LeaseOrder[]> {
      return await readOrders(beats.sql, leases);
    },

    /** Writes the end of a stage and the start of the next. @throws LeaseLostError */
    async step(lease: Lease, step: Parameters<typeof recordStep>[2]): Promise<{ cancel: boolean }> {
      return held(lease.jobId, await recordStep(db.sql, lease, step));
    },

    /** Writes how far the stage is. @throws LeaseLostError */
    async progress(
      lease: Lease,
      progress: { share: number; message: string | null; events: readonly NewEvent[] },
    ): Promise<{ cancel: boolean }> {
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
    async complete({ job, lease }: ClaimedJob, result: Completion): Promise<{ orphans: string[] } | null> {
      const done = await completeJob(db.sql, lease, result);
      if (!done) return null;
      metrics.jobsCompleted.inc({ pipeline: job.pipelineName, priority: job.priority });
      bus.announce("events", [job.id]);
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
      if (done.status === "FAILED") {
        metrics.jobsFailed.inc({ pipeline: job.pipelineName, priority: job.priority, reason });
      } else {
        metrics.jobsRetried.inc({ pipeline: job.pipelineName, reason });
        bus.announce("work", [job.id]);
      }
      bus.announce("events", [job.id]);
      return done.status;
    },

    /** Ends a job that was ordered to stop. False when the lease is lost. */
    async cancelled({ job, lease }: ClaimedJob): Promise<boolean> {
      const done = await confirmCancel(db.sql, lease);
      if (!done) return false;
      metrics.jobsCancelled.inc({ pipeline: job.pipelineName, priority: job.priority });
      bus.announce("events", [job.id]);
      return true;
    },

    /** Hands jobs back untouched. Answers the ids of those that were still held and not ordered to stop. */
    async release(leases: readonly Lease[]): Promise<string[]> {
      if (leases.length === 0) return [];
      const ids = await releaseLeases(db.sql, leases);
      bus.announce("work", ids);
      bus.announce("events", ids);
      return ids;
    },

    /** Takes back what others have lost, unless another process is at it. Answers what was done. */
    async sweep(): Promise<Recovered[]> {
      const all: Recovered[] = [];
      let batch: Recovered[];
      do {
        batch = await beats.begin(async (tx) => {
          if (!(await tryLockSweep(tx))) return [];
          await forgetWorkers(tx);
          return await recoverExpired(tx, SWEEP_BATCH);
        });
        all.push(...batch);
        for (const { status, pipelineName: pipeline, priority } of batch) {
          if (status === "FAILED") metrics.jobsFailed.inc({ pipeline, priority, reason: "QUARANTINED" });
          else if (status === "CANCELLED") metrics.jobsCancelled.inc({ pipeline, priority });
        }
        bus.announce(
          "work",
          batch.filter(({ status }) => status === "CREATED").map(({ id }) => id),
        );
        bus.announce(
          "events",
          batch.map(({ id }) => id),
        );
      } while (batch.length === SWEEP_BATCH);
      metrics.leasesLost.inc({ cause: "expired" }, all.length);
      return all;
    },

    async removeWorker(id: string): Promise<void> {
      await removeWorker(beats.sql, id);
    },
  };
}
