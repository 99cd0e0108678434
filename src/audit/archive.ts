import { z } from "zod";
import type { Json } from "../lib/json.ts";
import { type ChainPoint, frame, type RecordedEntry } from "./chain.ts";
import type { Anchor, Checkpoint } from "./checkpoint.ts";
import type { LogFilter } from "./entries.ts";
import type { Seal } from "./seal-queries.ts";

/**
 * The lines of an NDJSON export: a header, entries and checkpoints, and an end that signs all bytes before it. Of an export of
 * the chain, entries stand in the order of their numbers; those that the filter leaves out
 * are there as digests with their times.
 */
const ARCHIVE_FORMAT = "sluice.audit.v1";

const hex = z.string().regex(/^[0-9a-f]{64}$/);
const base64 = z.base64();
const instant = z.iso.datetime({ precision: 3 });
const number = z.int().min(0);
const anchor = z.strictObject({
  sequence: number,
  hash: hex,
  time: instant.nullable(),
  number: z.int().min(1),
});

const HEADER = z.strictObject({
  type: z.literal("header"),
  format: z.literal(ARCHIVE_FORMAT),
  time: instant,
  /** The entries stand in the order of their numbers, without gaps. */
  chain: z.boolean(),
  filter: z.record(z.string(), z.union([z.string(), z.boolean()])),
  /** What the first entry follows. */
  start: z.strictObject({ sequence: number, hash: hex }),
  anchor,
  public_key: z.string().max(1_000),
});

const ENTRY = z.strictObject({
  type: z.literal("entry"),
  /** 0 = it had no number yet. */
  sequence: number,
  hash: z.union([hex, z.literal("")]),
  id: z.string(),
  timestamp: instant,
  user_id: z.string().nullable(),
  action: z.string(),
  resource_type: z.string(),
  resource_id: z.string(),
  request_details: z.json(),
  success: z.boolean(),
  error_message: z.string(),
  ip_address: z.string().nullable(),
  user_agent: z.string(),
  request_id: z.string(),
  duration_ms: z.number().nullable(),
  credential_id: z.string(),
  credential: z.string(),
  method: z.string(),
  code: z.string(),
  decision: z.string(),
  phase: z.string(),
});

const LINK = z.strictObject({
  type: z.literal("link"),
  sequence: number,
  timestamp: instant,
  digest: hex,
  hash: hex,
});

const CHECKPOINT = z.strictObject({
  type: z.literal("checkpoint"),
  number: z.int().min(1),
  sequence: number,
  hash: hex,
  count: number,
  time: instant,
  anchor,
  previous_signature: base64,
  signature: base64,
});

const END = z.strictObject({
  type: z.literal("end"),
  entries: number,
  /** Of all bytes before this line. */
  sha256: hex,
  signature: base64,
});

const LINE = z.discriminatedUnion("type", [HEADER, ENTRY, LINK, CHECKPOINT, END]);

export type ArchiveHeader = z.infer<typeof HEADER>;
export type ArchiveEnd = z.infer<typeof END>;
export type ArchiveLine = z.infer<typeof LINE>;

/** Null when the text is no line of an archive. */
export function parseLine(text: string): ArchiveLine | null {
  try {
    return LINE.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

export function headerLine(header: Omit<ArchiveHeader, "type" | "format">): string {
  return lineOf({ type: "header", format: ARCHIVE_FORMAT, ...header });
}

export function entryLine(entry: RecordedEntry, place: { sequence: number; hash: Buffer } | null): string {
  return lineOf({
    type: "entry",
    sequence: place?.sequence ?? 0,
    hash: place?.hash.toString("hex") ?? "",
    id: entry.id,
    timestamp: entry.timestamp.toISOString(),
    user_id: entry.userId,
    action: entry.action,
    resource_type: entry.resourceType,
    resource_id: entry.resourceId,
    request_details: entry.requestDetails,
    success: entry.success,
    error_message: entry.errorMessage,
    ip_address: entry.ipAddress,
    user_agent: entry.userAgent,
    request_id: entry.requestId,
    duration_ms: entry.durationMs,
    credential_id: entry.credentialId,
    credential: entry.credential,
    method: entry.method,
    code: entry.code,
    decision: entry.decision,
    phase: entry.phase,
  });
}

export function entryOf(line: z.infer<typeof ENTRY>): RecordedEntry {
  return {
    id: line.id,
    timestamp: new Date(line.timestamp),
    userId: line.user_id,
    action: line.action,
    resourceType: line.resource_type,
    resourceId: line.resource_id,
    requestDetails: line.request_details as Json,
    success: line.success,
    errorMessage: line.error_message,
    ipAddress: line.ip_address,
    userAgent: line.user_agent,
    requestId: line.request_id,
    durationMs: line.duration_ms,
    credentialId: line.credential_id,
    credential: line.credential,
    method: line.method,
    code: line.code,
    decision: line.decision,
    phase: line.phase,
  };
}

export function linkLine(link: Omit<Seal, "id">): string {
  const { sequence, timestamp, digest, hash } = link;
  return lineOf({
    type: "link",
    sequence,
    timestamp: timestamp.toISOString(),
    digest: digest.toString("hex"),
    hash: hash.toString("hex"),
  });
}

export function checkpointLine(checkpoint: Checkpoint): string {
  return lineOf({
    type: "checkpoint",
    number: checkpoint.number,
    sequence: checkpoint.sequence,
    hash: checkpoint.hash.toString("hex"),
    count: checkpoint.count,
    time: checkpoint.time.toISOString(),
    anchor: anchorFields(checkpoint.anchor),
    previous_signature: checkpoint.previousSignature.toString("base64"),
    signature: checkpoint.signature.toString("base64"),
  });
}

export function checkpointOf(line: z.infer<typeof CHECKPOINT>): Checkpoint {
  return {
    number: line.number,
    ...pointOf(line),
    count: line.count,
    time: new Date(line.time),
    anchor: anchorOf(line.anchor),
    previousSignature: Buffer.from(line.previous_signature, "base64"),
    signature: Buffer.from(line.signature, "base64"),
  };
}

export function endLine(end: Omit<ArchiveEnd, "type">): string {
  return lineOf({ type: "end", ...end });
}

/** What the end of an export signs: the frame of `sluice.audit.export.v1`, the count and the SHA-256. */
export function endStatement({ entries, sha256 }: Pick<ArchiveEnd, "entries" | "sha256">): Buffer {
  return frame(["sluice.audit.export.v1", String(entries), Buffer.from(sha256, "hex")]);
}

export function pointFields({ sequence, hash }: ChainPoint): ArchiveHeader["start"] {
  return { sequence, hash: hash.toString("hex") };
}

export function pointOf({ sequence, hash }: ArchiveHeader["start"]): ChainPoint {
  return { sequence, hash: Buffer.from(hash, "hex") };
}

export function anchorFields(anchor: Anchor): ArchiveHeader["anchor"] {
  return { ...pointFields(anchor), time: anchor.time?.toISOString() ?? null, number: anchor.number };
}

export function anchorOf(fields: ArchiveHeader["anchor"]): Anchor {
  return {
    ...pointOf(fields),
    time: fields.time === null ? null : new Date(fields.time),
    number: fields.number,
  };
}

/** The parts of a filter that are set, by their names in the contract. */
export function filterFields(filter: LogFilter): ArchiveHeader["filter"] {
  const { start, end, userId, action, resourceType, resourceId, success, ipAddress } = filter;
  return {
    ...(start && { start_time: start.toISOString() }),
    ...(end && { end_time: end.toISOString() }),
    ...(userId && { user_id: userId }),
    ...(action && { action }),
    ...(resourceType && { resource_type: resourceType }),
    ...(resourceId && { resource_id: resourceId }),
    ...(success !== null && { success }),
    ...(ipAddress && { ip_address: ipAddress }),
  };
}

function lineOf(line: ArchiveLine): string {
  return `${JSON.stringify(line)}\n`;
}
