import type { Json } from "./json.ts";

/** The JSON of a value in one form: RFC 8785 (JCS). What `JSON.stringify` leaves out or converts, it does too. */
export function canonicalJson(value: unknown): string {
  return canonicalText(JSON.parse(JSON.stringify(value)) as Json);
}

/** The same for a value that is JSON already: keys sorted by code unit, no white space. */
export function canonicalText(value: Json): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalText(value[key] as Json)}`);
  return `{${members.join(",")}}`;
}
