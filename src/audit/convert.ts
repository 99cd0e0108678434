import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import {
  AuditExportFormat,
  AuditFault,
  type AuditLogSchema,
  type ExportAuditLogsRequest,
  type ListAuditLogsRequest,
  type VerifyAuditLogRequest,
  type VerifyAuditLogResponseSchema,
} from "../../gen/sluice/v1/audit_pb.ts";
import { type TimestampFields, timestampOf } from "../lib/wire-time.ts";
import type { LogFilter, LoggedEntry } from "./entries.ts";
import type { ExportFormat } from "./export.ts";
import { storableAddress } from "./rows.ts";
import type { Fault } from "./verifier.ts";
import type { Range, Verdict } from "./verify.ts";

const FAULT: Record<Fault, AuditFault> = {
  CHANGED: AuditFault.CHANGED,
  GAP: AuditFault.GAP,
  TRUNCATED: AuditFault.TRUNCATED,
  BAD_CHECKPOINT: AuditFault.BAD_CHECKPOINT,
  ADDED: AuditFault.ADDED,
};

export function entryToMessage(entry: LoggedEntry): MessageInitShape<typeof AuditLogSchema> {
  const { userId, ipAddress, durationMs, sequence, hash, timestamp, requestDetails, ...same } = entry;
  const time = timestampOf(timestamp);
  return {
    ...same,
    ...(time && { timestamp: time }),
    userId: userId ?? "",
    // Rows are written with an object; one that was tampered with must not make the answer fail.
    requestDetails: isObject(requestDetails) ? requestDetails : {},
    ipAddress: ipAddress ?? "",
    durationMs: BigInt(Math.round(durationMs ?? 0)),
    sequence: BigInt(sequence ?? 0),
    hash: hash?.toString("hex") ?? "",
  };
}

/** Entries have whole milliseconds: none lies between an instant and the next of those. None is later than the last of them. */
function instantOf(time: TimestampFields | undefined): Date | null {
  if (!time) return null;
  const ms = Number(time.seconds) * 1_000 + Math.ceil(time.nanos / 1_000_000);
  return new Date(Math.min(ms, LAST_MS));
}

const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** Which entries are wanted. */
export function filterFromMessage(request: ListAuditLogsRequest | ExportAuditLogsRequest): LogFilter {
  return {
    start: instantOf(request.startTime),
    end: instantOf(request.endTime),
    userId: request.userId,
    action: request.action,
    resourceType: request.resourceType,
    resourceId: request.resourceId,
    success: request.success ?? null,
    ipAddress: request.ipAddress && (storableAddress(request.ipAddress) ?? ""),
  };
}

/** The range to verify; no number is higher than those that JavaScript tells apart. */
export function rangeFromMessage({ startSequence, endSequence }: VerifyAuditLogRequest): Range {
  const numberOf = (sequence: bigint) => Math.min(Number(sequence), Number.MAX_SAFE_INTEGER);
  return { start: numberOf(startSequence), end: numberOf(endSequence) };
}

export function formatFromMessage(format: AuditExportFormat): ExportFormat {
  return format === AuditExportFormat.CSV ? "csv" : "ndjson";
}

export function verdictToMessage(verdict: Verdict): MessageInitShape<typeof VerifyAuditLogResponseSchema> {
  const { broken, checked, first, last, checkpoints, unsealed, anchor } = verdict;
  return {
    ok: broken === null,
    checked: BigInt(checked),
    fault: broken ? FAULT[broken.fault] : AuditFault.UNSPECIFIED,
    firstBrokenSequence: BigInt(broken?.sequence ?? 0),
    firstBrokenId: broken?.id ?? "",
    message: broken?.message ?? soundMessage(verdict),
    firstSequence: BigInt(first),
    lastSequence: BigInt(last),
    checkpoints: BigInt(checkpoints),
    unsealed: BigInt(unsealed),
    removedSequence: BigInt(anchor.sequence),
  };
}

function soundMessage({ first, last, checked, newestCheckpoint, unsealed, anchor }: Verdict): string {
  const parts = [
    last === 0
      ? "There is no entry with a number in this range."
      : `Entries ${first} to ${last} are as they were written; the content of ${checked} was compared.`,
  ];
  if (newestCheckpoint) {
    parts.push(
      `The newest checkpoint is of ${newestCheckpoint.time.toISOString()}, at entry ${newestCheckpoint.sequence}.`,
    );
  } else if (last > 0) parts.push("No checkpoint lies in this range.");
  if (anchor.time) {
    parts.push(
      `Retention has removed entries from before ${anchor.time.toISOString()}, numbers up to ${anchor.sequence}; a signed checkpoint stands for them.`,
    );
  }
  if (unsealed > 0) parts.push(`${unsealed} newer entries have no number yet.`);
  return parts.join(" ");
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
