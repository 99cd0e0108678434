import { join } from "node:path";
import { type Audit, createAudit } from "../audit/audit.ts";
import { createFloodGate } from "../audit/floods.ts";
import { type CallRecorder, createCallRecorder } from "../audit/recorder.ts";
import { createSpill } from "../audit/spill.ts";
import { type AuditWriter, createAuditWriter } from "../audit/writer.ts";
import type { Cleanup } from "../lib/cleanup.ts";
import { messageOf } from "../lib/errors.ts";
import type { Core } from "./core.ts";

/** Rows of the audit log that no transaction holds. */
const AUDIT_CONNECTIONS = 2;
const AUDIT_STATEMENT_MS = 5_000;

/** Reads, seals and ages the record of who did what. Servers do so, and not workers, which have documents about them. */
export async function startAudit(core: Core, cleanup: Cleanup): Promise<Audit> {
  const { config, logger, clock } = core;
  const audit = createAudit({
    ...core,
    dataDir: config.dataDir,
    retentionDays: config.auditRetentionDays,
    now: clock.now,
  });
  await audit.start();
  cleanup.add("audit", () => audit.stop());
  core.metrics.onRead(async () => {
    try {
      await audit.refreshGauges();
    } catch (error) {
      logger.warn({ error: messageOf(error) }, "the gauges of the audit log could not be read");
    }
  });
  return audit;
}

/** What every call leaves in the audit log, and how it gets there. */
export interface CallAudit {
  readonly writer: AuditWriter;
  readonly recorder: CallRecorder;
}

/** Starts to write the rows of calls; what still waits when it stops is written then. */
export async function startCallAudit(core: Core, cleanup: Cleanup): Promise<CallAudit> {
  const { config, db, clock, logger, metrics } = core;
  const root = join(config.dataDir, "audit-spill");
  const writer = createAuditWriter({
    pool: db.dedicated({ name: "audit", max: AUDIT_CONNECTIONS, statementTimeoutMs: AUDIT_STATEMENT_MS }),
    spill: createSpill({ root, name: core.processId, maxBytes: config.auditSpillBytes }),
    now: clock.now,
    logger,
    metrics,
  });
  await writer.start();
  cleanup.add("audit writer", () => writer.stop());
  const recorder = createCallRecorder({ writer, floods: createFloodGate(clock.now), now: clock.now });
  await recorder.start();
  cleanup.add("audit of calls", () => recorder.stop());
  return { writer, recorder };
}
