import { randomFillSync } from "node:crypto";

const ID_BYTES = 16;
/** Fetched for many ids at once, since each request to the system costs more than an id. */
const randomness = Buffer.alloc(256 * ID_BYTES);
let used = randomness.length;

let lastMs = 0;
let counter = 0;

/**
 * A UUIDv7 (RFC 9562, method 1: a 12-bit counter after the milliseconds), so ids made by one process sort
 * in the order they were made.
 */
export function newId(now: number = Date.now()): string {
  if (used === randomness.length) {
    randomFillSync(randomness);
    used = 0;
  }
  const bytes = randomness.subarray(used, used + ID_BYTES);
  used += ID_BYTES;
  if (now > lastMs) {
    lastMs = now;
    counter = ((bytes[6] ?? 0) << 4) & 0x7ff;
  } else if (++counter > 0xfff) {
    lastMs++;
    counter = 0;
  }
  bytes.writeUIntBE(lastMs, 0, 6);
  bytes[6] = 0x70 | (counter >>> 8);
  bytes[7] = counter & 0xff;
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  return textOf(bytes);
}

/** No UUIDv7 that was made at `ms` or later sorts before it. */
export function firstIdAt(ms: number): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(Math.max(0, Math.floor(ms)), 0, 6);
  return textOf(bytes);
}

function textOf(bytes: Buffer): string {
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** True for the textual form of a UUID of any version. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text);
}
