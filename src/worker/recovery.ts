import type { Leases } from "../jobs/leases.ts";
import { messageOf } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import { createPeriodic } from "../lib/periodic.ts";
import type { Logger } from "../telemetry/logger.ts";

/** Takes back jobs whose worker is gone, again and again; any number of processes may do so. */
export function createRecovery(deps: { leases: Leases; intervalMs: number; logger: Logger }): Lifecycle {
  const { leases, intervalMs, logger } = deps;

  const sweep = async (): Promise<void> => {
    try {
      for (const { id, status, workerId } of await leases.sweep()) {
        logger.warn(
          { jobId: id, status, lostWorker: workerId },
          "a job was taken back from a worker that is gone",
        );
      }
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "lost jobs could not be looked for; tried again soon");
    }
  };

  return createPeriodic(sweep, intervalMs);
}
