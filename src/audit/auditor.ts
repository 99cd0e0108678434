import { isIP } from "node:net";
import type { Sql } from "../db/sql.ts";
import { systemClock } from "../lib/clock.ts";
import { isUuid, newId } from "../lib/ids.ts";
import { redactDetails } from "./details.ts";
import type { Actor, AuditEntry, AuditRow } from "./model.ts";
import { insertAuditRows } from "./queries.ts";
import { cleanText } from "./sanitize.ts";

/** Writes the record of who did what. */
export interface Auditor {
  /**
   * Appends one entry in the caller's transaction: it is there exactly when the change is.
   * Whatever the entry holds, it is made storable; it never fails for its content.
   */
  record(tx: Sql, actor: Actor, entry: AuditEntry): Promise<void>;
  /** The same for many, in one statement. */
  recordMany(tx: Sql, entries: readonly (AuditEntry & { readonly actor: Actor })[]): Promise<void>;
}

/** @param now milliseconds since the epoch, by which rows are dated */
export function createAuditor(now: () => number = systemClock.now): Auditor {
  const rowOf = (actor: Actor, entry: AuditEntry): AuditRow => {
    const ms = now();
    return toRow({ id: newId(ms), timestamp: new Date(ms) }, actor, entry);
  };
  return {
    async record(tx, actor, entry) {
      await insertAuditRows(tx, [rowOf(actor, entry)]);
    },
    async recordMany(tx, entries) {
      if (entries.length === 0) return;
      await insertAuditRows(
        tx,
        entries.map((entry) => rowOf(entry.actor, entry)),
      );
    },
  };
}

function toRow(key: Pick<AuditRow, "id" | "timestamp">, actor: Actor, entry: AuditEntry): AuditRow {
  return {
    ...key,
    userId: actor.userId !== null && isUuid(actor.userId) ? actor.userId : null,
    action: cleanText(entry.action, 64),
    resourceType: cleanText(entry.resourceType ?? "", 64),
    resourceId: cleanText(entry.resourceId ?? ""),
    requestDetails: redactDetails(entry.details ?? {}),
    success: entry.success ?? true,
    errorMessage: cleanText(entry.errorMessage ?? ""),
    ipAddress: storableAddress(actor.ipAddress),
    userAgent: cleanText(actor.userAgent),
    requestId: cleanText(actor.requestId, 128),
    durationMs: Number.isFinite(entry.durationMs) ? (entry.durationMs as number) : null,
    credentialId: cleanText(actor.credentialId, 64),
    credential: "",
    method: "",
    code: "",
    decision: "",
    phase: "",
  };
}

/** An address as Postgres takes it: without zone, mapped IPv4 as IPv4; null when it is none. */
export function storableAddress(address: string): string | null {
  const plain = address.replace(/%.*$/s, "").replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
  return isIP(plain) === 0 ? null : plain;
}
