import type { Database } from "../db/sql.ts";
import { messageOf } from "../lib/errors.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import { createPeriodic } from "../lib/periodic.ts";
import type { Logger } from "../telemetry/logger.ts";
import { compactStoredBytes } from "./quota-queries.ts";

/** Adds up what owners have stored, so that a look at it stays short; any number of processes may do so. */
export function createStoredBytesCompactor(deps: {
  readonly db: Database;
  readonly intervalMs: number;
  readonly logger: Logger;
}): Lifecycle {
  const { db, intervalMs, logger } = deps;
  return createPeriodic(async () => {
    try {
      await compactStoredBytes(db.sql);
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "stored bytes could not be added up; tried again soon");
    }
  }, intervalMs);
}
