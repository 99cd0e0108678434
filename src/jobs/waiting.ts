import type { Database } from "../db/sql.ts";
import type { Job, Waiting } from "./model.ts";
import { type QueuePlace, queuePlace } from "./waiting-queries.ts";

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
    const place = await queuePlace(db.sql, job);
    const { ahead, higher, workers, slots, keyRunning, keyHolder, keyAhead } = place;
    const held = (reason: Waiting["reason"], message: string, before = ahead): Waiting => ({
      reason,
      message,
      position: before + 1,
      estimatedStartTime: null,
    });
    if (place.paused) {
      const why = place.pauseReason ? `: ${place.pauseReason}` : "";
      return held("QUEUE_PAUSED", `an operator has paused the queue${why}`);
    }
    if (workers === 0) return held("NO_WORKER", "no worker is alive; start one with `sluice worker`");
    if (job.concurrencyKey && (job.parked || keyRunning >= job.concurrencyLimit)) {
      const who =
        keyRunning === 1
          ? `job ${keyHolder} runs with the same concurrency_key`
          : `${keyRunning} jobs run with the same concurrency_key, one of them ${keyHolder}`;
      const queue = keyAhead === 0 ? "it is the next of that key" : `${keyAhead} of that key come before it`;
      return held("CONCURRENCY_KEY", keyRunning > 0 ? `${who}; ${queue}` : queue, keyAhead);
    }
    return {
      reason: "BEHIND_OTHERS",
      position: ahead + 1,
      estimatedStartTime: estimatedStart(place, now()),
      message:
        ahead === 0
          ? "it is next in line"
          : `behind ${ahead} ${ahead === 1 ? "job" : "jobs"}, ${higher} of higher priority, for ${slots} places on ${workers} ${workers === 1 ? "worker" : "workers"}`,
    };
  };
}

/** By the pace of the last minute; null when nothing ended in it and others come first. */
function estimatedStart({ ahead, endedLastMinute }: QueuePlace, now: number): Date | null {
  if (ahead === 0) return new Date(now);
  return endedLastMinute === 0 ? null : new Date(now + (ahead / endedLastMinute) * 60_000);
}
