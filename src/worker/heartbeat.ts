import { LeaseLostError } from "../jobs/errors.ts";
import type { Lease, Leases, WorkerFacts } from "../jobs/leases.ts";
import { messageOf } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import type { Logger } from "../telemetry/logger.ts";
import { CancelOrdered } from "./failure.ts";
import type { AttemptControl } from "./run-job.ts";

/** An attempt under way, as its heartbeat sees it. */
export interface RunningAttempt extends AttemptControl {
  readonly lease: Lease;
  /** When the lease was last known to hold, by the monotonic clock. */
  renewedAt: number;
}

export interface Heartbeat extends Lifecycle {
  /** Asks at once whether some of the attempts are ordered to stop. */
  readOrders(): Promise<void>;
}

/**
 * Renews the leases of all running attempts in one statement and carries out what comes back: an attempt
 * whose lease is lost, or could not be renewed until it must have run out, is stopped at once.
 */
export function createHeartbeat(deps: {
  leases: Leases;
  running: ReadonlyMap<string, RunningAttempt>;
  facts: () => WorkerFacts;
  intervalMs: number;
  logger: Logger;
}): Heartbeat {
  const { leases, running, facts, intervalMs, logger } = deps;
  let timer: NodeJS.Timeout | null = null;
  let beating: Promise<void> | null = null;

  const cancel = (jobId: string): void => running.get(jobId)?.stop.abort(new CancelOrdered());

  const beat = async (): Promise<void> => {
    const sentAt = performance.now();
    const attempts = [...running.values()];
    try {
      const orders = await leases.renew(
        facts(),
        attempts.map(({ lease, peakMemoryBytes }) => ({ ...lease, peakMemoryBytes })),
      );
      const held = new Map(orders.map((order) => [order.jobId, order]));
      for (const attempt of attempts) {
        const order = held.get(attempt.lease.jobId);
        // An attempt that ended meanwhile is no longer in the map and needs no order.
        if (running.get(attempt.lease.jobId) !== attempt) continue;
        if (!order) attempt.stop.abort(new LeaseLostError(attempt.lease.jobId));
        else if (order.cancel) cancel(attempt.lease.jobId);
        else attempt.renewedAt = sentAt;
      }
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "leases could not be renewed");
      stopExpired();
    }
  };

  /** Stops what can no longer be ours, also while a renewal gets no answer at all. */
  const stopExpired = (): void => {
    for (const { lease, stop, renewedAt } of running.values()) {
      if (performance.now() - renewedAt >= leases.leaseMs) stop.abort(new LeaseLostError(lease.jobId));
    }
  };

  const tick = (): void => {
    stopExpired();
    // One at a time: renewals that get no answer do not queue up behind each other.
    if (beating) return;
    beating = beat().finally(() => {
      beating = null;
    });
  };

  return {
    async start() {
      await beat();
      timer = setInterval(tick, intervalMs);
    },
    async stop() {
      if (timer) clearInterval(timer);
      await beating;
    },
    async readOrders() {
      if (running.size === 0) return;
      const held = [...running.values()].map(({ lease }) => lease);
      for (const { jobId } of await leases.orders(held)) cancel(jobId);
    },
  };
}
