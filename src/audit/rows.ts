import { isIP } from "node:net";
import { isUuid, newId } from "../lib/ids.ts";
import { plainAddress } from "../lib/network.ts";
import type { Trail } from "../lib/trail.ts";
import { fitDetails } from "./details.ts";
import type { Actor, AuditEntry, AuditRow } from "./model.ts";
import { cleanText } from "./sanitize.ts";

export type RowKey = Pick<AuditRow, "id" | "timestamp">;

/** A key of its own, dated `ms`. */
export function newKey(ms: number): RowKey {
  return { id: newId(ms), timestamp: new Date(ms) };
}

/** The key of the call's own row: formed once, by whoever comes first. */
export function keyOf(trail: Trail, ms: number): RowKey {
  trail.row ??= newKey(ms);
  return trail.row;
}

/** The row of an entry, whatever the entry holds: it can be stored and printed. */
export function toRow(key: RowKey, actor: Actor, entry: AuditEntry): AuditRow {
  return {
    ...key,
    userId: actor.userId !== null && isUuid(actor.userId) ? actor.userId : null,
    action: cleanText(entry.action, 64),
    resourceType: cleanText(entry.resourceType ?? "", 64),
    resourceId: cleanText(entry.resourceId ?? ""),
    requestDetails: fitDetails(entry.details ?? {}),
    success: entry.success ?? true,
    errorMessage: cleanText(entry.errorMessage ?? ""),
    ipAddress: storableAddress(actor.ipAddress),
    userAgent: cleanText(actor.userAgent),
    requestId: cleanText(actor.requestId, 128),
    durationMs: Number.isFinite(entry.durationMs) ? (entry.durationMs as number) : null,
    credentialId: cleanText(actor.credentialId, 64),
    credential: cleanText(actor.credential ?? "", 16),
    method: cleanText(actor.trail?.method ?? "", 128),
    code: entry.code ?? "",
    decision: entry.decision ?? "",
    phase: entry.phase ?? "",
  };
}

/** An address as Postgres takes it, see `plainAddress`; null when it is none. */
export function storableAddress(address: string): string | null {
  const plain = plainAddress(address);
  return isIP(plain) === 0 ? null : plain;
}
