import type { Json } from "../lib/json.ts";
import { cleanText } from "./sanitize.ts";

/** Bytes of the details of one entry, as JSON. */
export const MAX_DETAILS_BYTES = 8 * 1024;
const MAX_DEPTH = 10;
const MAX_ITEMS = 100;
const SECRET_NAME = /(?:password|secret|token|authorization|private_?key|api_?key|credential|cookie)$/i;

/**
 * The details of an entry as they are stored: every text scrubbed and at most 256 characters, nothing under the name of a
 * secret, at most 8 KiB in all. What does not fit is left out and `_truncated` says so. Requests come redacted by their
 * descriptors; this is the last net.
 */
export function fitDetails(details: Readonly<Record<string, unknown>>): Record<string, Json> {
  const clean: Record<string, Json> = Object.create(null);
  // Room for the mark, and for the spaces that jsonb's text form adds.
  let room = MAX_DETAILS_BYTES - 64;
  for (const [key, value] of Object.entries(details).slice(0, MAX_ITEMS)) {
    if (value === undefined) continue;
    const name = cleanText(key, 64);
    const fitting = fitted(name, value, 1);
    const size = Buffer.byteLength(JSON.stringify(name)) + Buffer.byteLength(JSON.stringify(fitting)) + 2;
    if (size > room) {
      clean._truncated = true;
      continue;
    }
    room -= size;
    clean[name] = fitting;
  }
  if (Object.keys(details).length > MAX_ITEMS) clean._truncated = true;
  return clean;
}

function fitted(name: string, value: unknown, depth: number): Json {
  if (value === null || value === undefined) return null;
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (SECRET_NAME.test(name)) return "[redacted]";
  if (typeof value === "string") return cleanText(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object") return `[${typeof value}]`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= MAX_DEPTH) return "[too deep]";
  if (Array.isArray(value)) return fittedList(name, value, depth);
  const clean: { [key: string]: Json } = Object.create(null);
  for (const [key, inner] of Object.entries(value).slice(0, MAX_ITEMS)) {
    if (inner === undefined) continue;
    const innerName = cleanText(key, 64);
    clean[innerName] = fitted(innerName, inner, depth + 1);
  }
  return clean;
}

function fittedList(name: string, list: readonly unknown[], depth: number): Json {
  const clean = list.slice(0, MAX_ITEMS).map((item) => fitted(name, item, depth + 1));
  return list.length > MAX_ITEMS ? [...clean, `… ${list.length - MAX_ITEMS} more`] : clean;
}
