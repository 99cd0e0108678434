import { createHash } from "node:crypto";
import { cleanText } from "./sanitize.ts";

/** Bytes of the details of one entry, as JSON. */
export const MAX_DETAILS_BYTES = 8 * 1024;
const MAX_DEPTH = 6;
const MAX_ITEMS = 100;
const SECRET_NAME = /(?:password|secret|token|authorization|private_?key|api_?key|credential|cookie)$/i;

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/**
 * The details of an entry as they are stored: secrets redacted, strings at most 256 characters, bytes as size
 * and SHA-256, at most 8 KiB in all. What does not fit is left out and `_truncated` says so.
 */
export function redactDetails(details: Readonly<Record<string, unknown>>): Record<string, Json> {
  const clean: Record<string, Json> = Object.create(null);
  // Room for the mark, and for the spaces that jsonb's text form adds.
  let room = MAX_DETAILS_BYTES - 64;
  for (const [key, value] of entriesOf(details)) {
    if (value === undefined) continue;
    const name = cleanText(key, 64);
    const redacted = redactValue(name, value, 1);
    const size = Buffer.byteLength(JSON.stringify(name)) + Buffer.byteLength(JSON.stringify(redacted)) + 2;
    if (size > room) {
      clean._truncated = true;
      continue;
    }
    room -= size;
    clean[name] = redacted;
  }
  if (Object.keys(details).length > MAX_ITEMS) clean._truncated = true;
  return clean;
}

function redactValue(name: string, value: unknown, depth: number): Json {
  if (value === null || value === undefined) return null;
  if (SECRET_NAME.test(name)) return "[redacted]";
  if (typeof value === "string") return cleanText(value);
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object") return `[${typeof value}]`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return describeBytes(value);
  if (depth >= MAX_DEPTH) return "[too deep]";
  if (Array.isArray(value)) return redactList(name, value, depth);
  if (value instanceof Set) return redactList(name, [...value], depth);
  const clean: { [key: string]: Json } = Object.create(null);
  for (const [key, inner] of entriesOf(value)) {
    if (inner === undefined) continue;
    const innerName = cleanText(key, 64);
    clean[innerName] = redactValue(innerName, inner, depth + 1);
  }
  return clean;
}

function redactList(name: string, list: readonly unknown[], depth: number): Json {
  const clean = list.slice(0, MAX_ITEMS).map((item) => redactValue(name, item, depth + 1));
  return list.length > MAX_ITEMS ? [...clean, `… ${list.length - MAX_ITEMS} more`] : clean;
}

function describeBytes(bytes: Uint8Array): Json {
  return { bytes: bytes.byteLength, sha256: createHash("sha256").update(bytes).digest("hex") };
}

function entriesOf(value: object): [string, unknown][] {
  const entries = value instanceof Map ? [...value].map(([k, v]) => [String(k), v]) : Object.entries(value);
  return entries.slice(0, MAX_ITEMS) as [string, unknown][];
}
