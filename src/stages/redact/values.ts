import type { Json } from "../../extract/model.ts";
import type { Redactor } from "./redactor.ts";

/** The address of something, whose signs may be percent-encoded. */
const ADDRESS = /^[a-z][a-z0-9+.-]{0,30}:\S+$/i;
/** Shorter numbers are none of what is looked for. */
const MIN_CARD = 1e12;

/** The record with its values redacted; the names of its fields are its own. */
export function redactFields<Fields extends object>(fields: Fields, redactor: Redactor): Fields {
  const entries = Object.entries(fields).map(([name, value]) => [name, redactValue(value as Json, redactor)]);
  return Object.fromEntries(entries) as Fields;
}

/**
 * A value with all that reads as text in it redacted: strings, numbers that are cards, and keys. Values whose keys have become
 * the same stand there as a list.
 */
export function redactValue(value: Json, redactor: Redactor): Json {
  if (typeof value === "string") return redactString(value, redactor);
  if (typeof value === "number") return redactNumber(value, redactor);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((inner) => redactValue(inner, redactor));
  const kept = new Map<string, Json>();
  const together = new Map<string, Json[]>();
  for (const [key, inner] of Object.entries(value)) {
    const name = redactor.text(key);
    const redacted = redactValue(inner, redactor);
    const first = kept.get(name);
    const list = together.get(name) ?? (first === undefined ? undefined : [first]);
    list?.push(redacted);
    if (list) together.set(name, list);
    kept.set(name, list ?? redacted);
  }
  return Object.fromEntries(kept);
}

function redactString(value: string, redactor: Redactor): string {
  const redacted = redactor.text(value);
  return ADDRESS.test(redacted) && redactor.holds(redacted) ? redactor.replacement : redacted;
}

function redactNumber(value: number, redactor: Redactor): Json {
  if (!Number.isSafeInteger(value) || value < MIN_CARD) return value;
  const text = String(value);
  const redacted = redactor.text(text);
  return redacted === text ? value : redacted;
}
