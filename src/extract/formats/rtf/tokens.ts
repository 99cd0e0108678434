/** One piece of an RTF file. */
export type RtfToken =
  | { type: "open" }
  | { type: "close" }
  /** `\word`, `\word12`, or a sign such as `\~` and `\*`. */
  | { type: "control"; name: string; value: number | undefined }
  /** Bytes of text in the character set of the current font. */
  | { type: "bytes"; start: number; end: number }
  /** One byte of text written as `\'hh`. */
  | { type: "hex"; byte: number };

const [OPEN, CLOSE, BACKSLASH, QUOTE, CR, LF, MINUS, SPACE] = [0x7b, 0x7d, 0x5c, 0x27, 13, 10, 0x2d, 0x20];
const MAX_WORD = 32;

const isLetter = (byte: number | undefined) =>
  byte !== undefined && (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
const isDigit = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39;

/** Cuts RTF into its tokens, in one pass; binary data is left out. */
export function* rtfTokens(bytes: Uint8Array): Generator<RtfToken, void, undefined> {
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === OPEN || byte === CLOSE) {
      at += 1;
      yield byte === OPEN ? { type: "open" } : { type: "close" };
    } else if (byte === CR || byte === LF || byte === 0) at += 1;
    else if (byte !== BACKSLASH) {
      const start = at;
      while (at < bytes.length && !ends(bytes[at])) at += 1;
      yield { type: "bytes", start, end: at };
    } else if (bytes[at + 1] === QUOTE) {
      const value = Number.parseInt(String.fromCharCode(bytes[at + 2] ?? 0, bytes[at + 3] ?? 0), 16);
      at += 4;
      if (!Number.isNaN(value)) yield { type: "hex", byte: value };
    } else if (!isLetter(bytes[at + 1])) {
      const sign = bytes[at + 1];
      at += 2;
      if (sign === undefined) return;
      if (sign === OPEN || sign === CLOSE || sign === BACKSLASH) yield { type: "hex", byte: sign };
      // A backslash at the end of a line is an old way to end a paragraph.
      else if (sign === CR || sign === LF) yield { type: "control", name: "par", value: undefined };
      else yield { type: "control", name: String.fromCharCode(sign), value: undefined };
    } else {
      const start = at + 1;
      at = start;
      while (isLetter(bytes[at]) && at - start < MAX_WORD) at += 1;
      const name = latin(bytes, start, at);
      const digits = at;
      if (bytes[at] === MINUS && isDigit(bytes[at + 1])) at += 1;
      while (isDigit(bytes[at]) && at - digits < 11) at += 1;
      const value = at > digits ? Number(latin(bytes, digits, at)) : undefined;
      if (bytes[at] === SPACE) at += 1;
      if (name === "bin") at += Math.max(0, value ?? 0);
      else yield { type: "control", name, value };
    }
  }
}

const ends = (byte: number | undefined) =>
  byte === OPEN || byte === CLOSE || byte === BACKSLASH || byte === CR || byte === LF || byte === 0;

const latin = (bytes: Uint8Array, start: number, end: number) =>
  String.fromCharCode(...bytes.subarray(start, end));
