import type { Auditor } from "../audit/auditor.ts";
import { systemActor } from "../audit/model.ts";
import type { DedicatedPool } from "../db/sql.ts";
import { messageOf } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import { createPeriodic } from "../lib/periodic.ts";
import type { Logger } from "../telemetry/logger.ts";
import { deleteOldDeliveries, deleteOrphans, disableOfInactiveOwners, skipPending } from "./sweep-queries.ts";

/** Rows of one statement. */
const BATCH = 5_000;
/** Each leaves an entry in the audit log. */
const DISABLED_BATCH = 500;
/** Statements of one turn. */
const MAX_BATCHES = 20;

/**
 * What is left behind: webhooks of users who are not active any more are disabled, deliveries that wait for webhooks which
 * are not active become `SKIPPED`, those of deleted webhooks go, and so do those that wait for nothing when they are
 * `retentionMs` old, with their attempts.
 */
export function createDeliverySweeper(deps: {
  pool: DedicatedPool;
  audit: Auditor;
  retentionMs: number;
  intervalMs: number;
  now: () => number;
  logger: Logger;
}): Lifecycle {
  const { pool, audit, retentionMs, intervalMs, now, logger } = deps;
  const inBatches = async (batch: () => Promise<number>): Promise<void> => {
    for (let i = 0; i < MAX_BATCHES; i++) if ((await batch()) < BATCH) return;
  };
  const disable = async (): Promise<void> =>
    await pool.begin(async (tx) => {
      const reason = "Its owner is not active any more.";
      const disabled = await disableOfInactiveOwners(tx, reason, DISABLED_BATCH);
      const actor = systemActor("webhooks");
      await audit.recordMany(
        tx,
        disabled.map(({ id, shownUrl }) => ({
          actor,
          action: "webhooks.disable",
          resourceType: "webhook",
          resourceId: id,
          details: { url: shownUrl, reason },
        })),
      );
    });
  const sweep = async (): Promise<void> => {
    try {
      await disable();
      await inBatches(() => skipPending(pool.sql, BATCH));
      await inBatches(() => deleteOrphans(pool.sql, BATCH));
      await inBatches(() => deleteOldDeliveries(pool.sql, new Date(now() - retentionMs), BATCH));
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "old deliveries of webhooks could not be swept");
    }
  };
  return createPeriodic(sweep, intervalMs);
}
