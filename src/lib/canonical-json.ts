/** A value that came out of `JSON.parse`. */
type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** The JSON of a value in one form: RFC 8785 (JCS). What `JSON.stringify` leaves out or converts, it does too. */
export function canonicalJson(value: unknown): string {
  return canonicalText(JSON.parse(JSON.stringify(value)) as Json);
}

/** The same for a value that is JSON already: keys sorted by code unit, no white space. */
export function canonicalText(value: Json): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  const object = value as { readonly [key: string]: Json };
  const members = Object.keys(object)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalText(object[key] as Json)}`);
  return `{${members.join(",")}}`;
}
