import type { Database } from "../db/sql.ts";
import { messageOf } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import { createPeriodic } from "../lib/periodic.ts";
import type { Logger } from "../telemetry/logger.ts";
import { addAuditMonth } from "./queries.ts";

/** Months that have their partition before they begin. */
const MONTHS_AHEAD = 2;
const HOUR_MS = 3_600_000;
/** Readers of the whole log hold what this needs; the next turn tries again. */
const LOCK_MS = 2_000;

export interface PartitionsDeps {
  readonly db: Database;
  readonly now: () => number;
  readonly logger: Logger;
}

/**
 * Keeps a partition ready for this month and the next ones, at the start and every hour. Every process may do it, and
 * none has to: the default partition takes what no month does.
 */
export function createAuditPartitions({ db, now, logger }: PartitionsDeps): Lifecycle {
  const addMissing = async (): Promise<void> => {
    try {
      for (const month of months(now())) {
        const added = await db.begin(async (tx) => {
          await tx.unsafe(`set local lock_timeout = ${LOCK_MS}`);
          return await addAuditMonth(tx, month);
        });
        if (added) logger.info({ month: month.toISOString().slice(0, 7) }, "the audit log has a new month");
      }
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "the next months of the audit log could not be prepared");
    }
  };
  const periodic = createPeriodic(addMissing, HOUR_MS);
  return {
    async start() {
      await addMissing();
      await periodic.start();
    },
    stop: periodic.stop,
  };
}

/** An instant in this month and in each of the next ones, in UTC. */
function months(nowMs: number): Date[] {
  const today = new Date(nowMs);
  return Array.from(
    { length: MONTHS_AHEAD + 1 },
    (_, ahead) => new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + ahead)),
  );
}
