const REPLACEMENT = "\ufffd";

/** True for a text that Postgres stores as it is: without U+0000 and without halves of surrogate pairs. */
export function isStorable(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}

/** The text with U+FFFD for every character that Postgres does not store. */
export function storable(text: string): string {
  return text.replaceAll("\0", REPLACEMENT).toWellFormed();
}

/**
 * JSON that Postgres takes as `jsonb`, whatever strings are in `value`: documents put U+0000 and halves of
 * surrogate pairs into names, titles and messages, and one of them would fail the whole statement.
 */
export function storableJson(value: unknown): string {
  const text = JSON.stringify(value);
  // JSON.stringify writes \ud800 to \udfff only for a half without its other half.
  return text.replace(/\\(?:u0000|ud[89a-f][0-9a-f]{2}|.)/g, (found) =>
    found.length > 2 ? REPLACEMENT : found,
  );
}
