import { createHash } from "node:crypto";
import { canonicalText } from "../lib/canonical-json.ts";
import type { Json } from "../lib/json.ts";
import type { AuditRow } from "./model.ts";

/** One entry, as it is read back from the database or from an export. */
export type RecordedEntry = Omit<AuditRow, "requestDetails" | "decision" | "phase"> & {
  readonly requestDetails: Json;
  readonly decision: string;
  readonly phase: string;
};

/** A place in the chain: a number, and the hash over all entries up to it. */
export interface ChainPoint {
  readonly sequence: number;
  readonly hash: Buffer;
}

/** Before the first entry. */
export const CHAIN_START: ChainPoint = { sequence: 0, hash: Buffer.alloc(32) };

const NULL_LENGTH = 0xff_ff_ff_ff;

/**
 * Parts that cannot be shifted into each other: each is its length in bytes (4, big-endian) and its bytes, text in
 * UTF-8; null is the length 2³²−1 alone.
 */
export function frame(parts: readonly (string | Uint8Array | null)[]): Buffer {
  // No character takes more than three bytes for each of its code units.
  const most = parts.reduce((sum, part) => sum + 4 + (part === null ? 0 : part.length * 3), 0);
  const bytes = Buffer.allocUnsafe(most);
  let at = 0;
  for (const part of parts) {
    let length = 0;
    if (typeof part === "string") length = bytes.write(part, at + 4);
    else if (part !== null) {
      bytes.set(part, at + 4);
      length = part.byteLength;
    }
    bytes.writeUInt32BE(part === null ? NULL_LENGTH : length, at);
    at += 4 + length;
  }
  return bytes.subarray(0, at);
}

/**
 * SHA-256 of an entry: over the frame of `sluice.audit.entry.v1` and its fields in this order. Instants are RFC 3339 in UTC
 * with milliseconds, numbers and details JSON in the form of RFC 8785.
 */
export function digestOf(entry: RecordedEntry): Buffer {
  const framed = frame([
    "sluice.audit.entry.v1",
    entry.id,
    entry.timestamp.toISOString(),
    entry.userId,
    entry.action,
    entry.resourceType,
    entry.resourceId,
    canonicalText(entry.requestDetails),
    String(entry.success),
    entry.errorMessage,
    entry.ipAddress,
    entry.userAgent,
    entry.requestId,
    entry.durationMs === null ? null : JSON.stringify(entry.durationMs),
    entry.credentialId,
    entry.credential,
    entry.method,
    entry.code,
    entry.decision,
    entry.phase,
  ]);
  return createHash("sha256").update(framed).digest();
}

/** What the chain holds of an entry, also when its content is gone. */
export interface Chained {
  readonly digest: Uint8Array;
  readonly timestamp: Date;
}

/**
 * The next place in the chain: its hash is SHA-256 over the hash before (32 zero bytes at first), the digest, and the
 * time in milliseconds since 1970 (8 bytes, big-endian). The time stands by itself because retention goes by it.
 */
export function follow(point: ChainPoint, { digest, timestamp }: Chained): ChainPoint {
  const time = Buffer.alloc(8);
  time.writeBigInt64BE(BigInt(timestamp.getTime()));
  return {
    sequence: point.sequence + 1,
    hash: createHash("sha256").update(point.hash).update(digest).update(time).digest(),
  };
}
