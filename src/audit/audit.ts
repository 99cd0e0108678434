import type { Database } from "../db/sql.ts";
import type { Lifecycle } from "../lib/lifecycle.ts";
import type { PageTokens } from "../rpc/pages.ts";
import type { ServiceRegistration } from "../rpc/service.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Auditor } from "./auditor.ts";
import { createAuditKey } from "./checkpoint.ts";
import { createHeadFile } from "./head-file.ts";
import { createAuditRetention } from "./retention.ts";
import { auditRoutes } from "./rpc.ts";
import { createSealer } from "./sealer.ts";
import { createAuditService } from "./service.ts";

/** What reads the record, seals it and removes what is too old, put together. */
export interface Audit extends Lifecycle {
  routes(pages: PageTokens): ServiceRegistration;
  refreshGauges(): Promise<void>;
}

export interface AuditOptions {
  readonly db: Database;
  readonly audit: Auditor;
  readonly masterKey: Uint8Array;
  readonly dataDir: string;
  /** Null: entries are kept for ever. */
  readonly retentionDays: number | null;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly now: () => number;
}

export function createAudit(options: AuditOptions): Audit {
  const { masterKey, dataDir, retentionDays, logger } = options;
  const key = createAuditKey(masterKey);
  const head = createHeadFile(dataDir, logger);
  const sealer = createSealer({ ...options, key, head });
  const retention = createAuditRetention({ ...options, key, head, days: retentionDays });
  const service = createAuditService({ ...options, key, head, sealer });
  return {
    routes: (pages) => auditRoutes(service, pages),
    refreshGauges: service.refreshGauges,
    async start() {
      await sealer.start();
      await retention.start();
    },
    async stop() {
      await Promise.all([sealer.stop(), retention.stop()]);
    },
  };
}
