import type { Database } from "../db/sql.ts";
import type { Job, Waiting } from "./model.ts";
import { queuePosition } from "./queries.ts";

/** Says why a job waits and for how long; null when it does not wait. */
export function createWaiting({ db, now }: { db: Database; now: () => number }) {
  return async (job: Job): Promise<Waiting | null> => {
    if (job.status !== "CREATED") return null;
    if (job.runTime.getTime() > now()) {
      const retry = job.error !== null;
      return {
        reason: retry ? "RETRY_BACKOFF" : "SCHEDULED",
        position: 0,
        estimatedStartTime: job.runTime,
        message: retry
          ? `its last attempt failed (${job.error?.reason}); the next one comes at ${job.runTime.toISOString()}`
          : `it is not to run before ${job.runTime.toISOString()}`,
      };
    }
    const { ahead, workers, slots, keyHolder } = await queuePosition(db.sql, job);
    if (workers === 0) {
      return {
        reason: "NO_WORKER",
        position: ahead + 1,
        estimatedStartTime: null,
        message: "no worker is alive; start one with `sluice worker`",
      };
    }
    if (keyHolder) {
      return {
        reason: "CONCURRENCY_KEY",
        position: ahead + 1,
        estimatedStartTime: null,
        message: `job ${keyHolder} runs with the same concurrency_key`,
      };
    }
    return {
      reason: "BEHIND_OTHERS",
      position: ahead + 1,
      estimatedStartTime: ahead === 0 ? new Date(now()) : null,
      message:
        ahead === 0
          ? "it is next in line"
          : `behind ${ahead} jobs, for ${slots} places on ${workers} worker(s)`,
    };
  };
}
