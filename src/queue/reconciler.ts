import type { Database } from "../db/sql.ts";
import { messageOf } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import { createPeriodic } from "../lib/periodic.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Claimed, Queue } from "./queue.ts";
import { takeReconcileTurn } from "./reconcile-queries.ts";

/** How soon a queue that knows of a loss is mended. */
const LOOK_MS = 500;

/**
 * Compares the queue with the rows again and again: one process every `intervalMs`, and each at once whose queue has
 * missed something.
 */
export function createReconciler<C extends Claimed>(deps: {
  db: Database;
  queue: Queue<C>;
  intervalMs: number;
  logger: Logger;
}): Lifecycle {
  const { db, queue, intervalMs, logger } = deps;
  let nextTurnAt = 0;

  const isMyTurn = async (): Promise<boolean> => {
    if (performance.now() < nextTurnAt) return false;
    const mine = await takeReconcileTurn(db.sql, intervalMs);
    if (mine) nextTurnAt = performance.now() + intervalMs;
    return mine;
  };

  const look = async (): Promise<void> => {
    try {
      if (!queue.lost && !(await isMyTurn())) return;
      const mended = await queue.reconcile();
      if (mended.restored + mended.admitted + mended.parked > 0) logger.info(mended, "the queue was mended");
    } catch (error) {
      logger.warn(
        { error: messageOf(error) },
        "the queue could not be compared with the jobs; tried again soon",
      );
    }
  };

  return createPeriodic(look, LOOK_MS);
}
