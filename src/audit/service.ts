import type { Database } from "../db/sql.ts";
import { type Caller, scopeOf } from "../lib/caller.ts";
import { PermissionDeniedError } from "../lib/errors.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { type AuditKey, fingerprintOf, pemOf } from "./checkpoint.ts";
import type { EntryKey, LogFilter, LoggedEntry } from "./entries.ts";
import { type ExportFormat, exportLog } from "./export.ts";
import type { HeadFile } from "./head-file.ts";
import { readEntries } from "./log-queries.ts";
import type { Sealer } from "./sealer.ts";
import { auditBacklog, type Range, type Verdict, verifyLog } from "./verify.ts";

const PERMISSION = "audit:read";

export interface AuditServiceDeps {
  readonly db: Database;
  readonly key: AuditKey;
  readonly head: HeadFile;
  readonly sealer: Pick<Sealer, "sealAll">;
  readonly metrics: Metrics;
  readonly now: () => number;
}

export type AuditService = ReturnType<typeof createAuditService>;

/** What may be read of the record of who did what. */
export function createAuditService(deps: AuditServiceDeps) {
  const { db, key, head, sealer, metrics, now } = deps;
  return {
    /** A page of entries, newest first: the caller's own, or everybody's with `audit:read:any`. */
    async list(
      caller: Caller,
      filter: LogFilter,
      page: { limit: number; after: EntryKey | null },
    ): Promise<LoggedEntry[]> {
      const sql = db.scoped(scopeOf(caller, PERMISSION));
      return await readEntries(sql, filter, { ...page, newestFirst: true });
    },

    /** The bytes of a file with all entries that the filter finds, oldest first. */
    async *export(
      caller: Caller,
      filter: LogFilter,
      format: ExportFormat,
      signal: AbortSignal,
    ): AsyncGenerator<Uint8Array> {
      await sealer.sealAll();
      yield* exportLog({ db, key, now }, { scope: scopeOf(caller, PERMISSION), filter, format, signal });
    },

    /** Walks the chain, which holds everybody's entries. @throws PermissionDeniedError without `audit:read:any` */
    async verify(caller: Caller, range: Range, signal: AbortSignal): Promise<Verdict> {
      if (scopeOf(caller, PERMISSION).ownerId !== null) throw new PermissionDeniedError(`${PERMISSION}:any`);
      const known = await head.read();
      return await verifyLog({ sql: db.sql, key: key.publicKey, known, signal }, range);
    },

    /** The key that the signatures of checkpoints and exports are compared with. */
    publicKey(): { pem: string; fingerprint: string } {
      return { pem: pemOf(key.publicKey), fingerprint: fingerprintOf(key.publicKey) };
    },

    /** Sets the gauges of the backlog; called when metrics are read. */
    async refreshGauges(): Promise<void> {
      const { entries, oldestSeconds } = await auditBacklog(db.sql);
      metrics.auditUnsealed.set(entries);
      metrics.auditUnsealedSeconds.set(oldestSeconds);
    },
  };
}
