import { isUtf8 } from "node:buffer";
import iconv from "iconv-lite";
import jschardet from "jschardet";

const BOMS: readonly [encoding: string, ...mark: number[]][] = [
  ["utf-32le", 0xff, 0xfe, 0, 0],
  ["utf-32be", 0, 0, 0xfe, 0xff],
  ["utf-8", 0xef, 0xbb, 0xbf],
  ["utf-16le", 0xff, 0xfe],
  ["utf-16be", 0xfe, 0xff],
  ["gb18030", 0x84, 0x31, 0x95, 0x33],
];

/** The sequences by which this encoding, all ASCII to look at, turns to Japanese. */
const ISO_2022_JP = ["\u001b$@", "\u001b$B", "\u001b(J"];

/** Statistics need no more than this much of a text. */
const SAMPLE_BYTES = 64 * 1024;

/** Letters and signs of Western European languages as windows-1252 has them; neither ì ù ò ý nor Slavic places. */
const WESTERN =
  /^[\x80\x82\x84\x85\x8c\x91-\x97\x9c\xa0\xa1\xa3\xa7\xa9\xab\xae\xb0\xb4\xb7\xbb\xbf\xc0-\xcb\xce\xcf\xd1\xd3-\xd6\xd8-\xdc\xdf-\xeb\xee\xef\xf1\xf3-\xf6\xf8\xfa-\xfc\xff]+$/;

/**
 * The character set of a text by its bytes: byte order mark, NUL pattern of UTF-16 and UTF-32, what an XML
 * declaration or HTML `meta` says, UTF-8 validity, then letter statistics. `truncated` tells that `bytes` are
 * only the beginning. Undefined if the bytes are not text. Looks at 64 KiB at most.
 */
export function detectEncoding(bytes: Uint8Array, truncated = false): string | undefined {
  for (const [encoding, ...mark] of BOMS) if (mark.every((byte, i) => bytes[i] === byte)) return encoding;
  const sample = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, SAMPLE_BYTES));
  if (sample.includes(0)) return wideEncoding(sample);
  const latin = sample.toString("latin1");
  if (countControls(sample) > sample.length * 0.02) return undefined;
  if (ISO_2022_JP.some((shift) => sample.includes(shift))) return "iso-2022-jp";
  if (isUtf8(wholeUtf8(sample, truncated || sample.length < bytes.length))) return "utf-8";
  return declaredEncoding(latin) ?? guessed(sample, latin);
}

/**
 * Decodes a text. The hint is what the container or the client says; without it, or if it names no known
 * character set, the bytes decide. Never throws on content: faulty sequences become U+FFFD. No byte order mark
 * and no NUL is left in the text.
 */
export function decodeText(bytes: Uint8Array, hint?: string): { text: string; encoding: string } {
  let encoding =
    hint && iconv.encodingExists(hint) ? hint.toLowerCase() : (detectEncoding(bytes) ?? "windows-1252");
  // The beginning may have been plain ASCII with the telling bytes far behind.
  if (encoding === "utf-8" && !isUtf8(bytes) && !mostlyUtf8(bytes)) encoding = guessTail(bytes);
  const text = iconv.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), encoding);
  return { text: text.includes("\0") ? text.replaceAll("\0", "") : text, encoding };
}

function wideEncoding(sample: Buffer): string | undefined {
  for (const encoding of ["utf-32le", "utf-32be", "utf-16le", "utf-16be"]) {
    const unit = encoding.startsWith("utf-32") ? 4 : 2;
    const whole = sample.subarray(0, sample.length - (sample.length % unit));
    if (whole.length === 0) continue;
    const text = iconv.decode(whole, encoding, { stripBOM: false });
    const good = text.match(/[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}\r\n\t]/gu) ?? [];
    // Decoded the wrong way round, Latin text lands among rare ideographs and no blank is ever seen.
    const plain = text.match(/[\x20\r\n\p{Script=Latin}\p{P}]/gu)?.length ?? 0;
    const length = [...text].length;
    if (length > 0 && good.length >= length * 0.98 && plain >= length * 0.01) return encoding;
  }
  return undefined;
}

/** Control characters that no text has; tabs, line and page ends, backspaces and escapes it may. */
function countControls(sample: Uint8Array): number {
  let count = 0;
  for (const byte of sample)
    if (byte === 0x7f || (byte < 0x20 && (byte < 8 || byte === 0x0b || byte > 0x0d) && byte !== 0x1b))
      count++;
  return count;
}

/** Without the sequence that the end of the sample may have cut in two. */
function wholeUtf8(sample: Buffer, cut: boolean): Buffer {
  if (!cut) return sample;
  let end = sample.length;
  while (end > 0 && sample.length - end < 4 && ((sample[end - 1] ?? 0) & 0xc0) === 0x80) end--;
  return sample.subarray(0, Math.max(0, end - ((sample[end - 1] ?? 0) >= 0xc0 ? 1 : 0)));
}

function declaredEncoding(latin: string): string | undefined {
  const start = latin.slice(0, 4096);
  const named =
    /^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{2,40})["']/.exec(start)?.[1] ??
    /<meta[^>]{0,300}?charset\s*=\s*["']?\s*([\w.:-]{2,40})/i.exec(start)?.[1];
  const name = named?.toLowerCase();
  // The bytes are none of the Unicode forms: whoever says so is mistaken.
  if (!name || /^(utf|ucs|unicode)/.test(name) || !iconv.encodingExists(name)) return undefined;
  return name === "iso-8859-1" || name === "latin1" || name === "us-ascii" ? "windows-1252" : name;
}

function guessed(sample: Buffer, latin: string): string {
  const high = latin.replace(/\p{ASCII}+/gu, "");
  const guess = jschardet.detect(sample);
  const name = guess.encoding?.toLowerCase() ?? "";
  const multibyte = /^(shift|sjis|euc|big5|gb|iso-2022|hz|windows-949|cp949|johab)/.test(name);
  if (multibyte && iconv.encodingExists(name)) return name === "gb2312" ? "gb18030" : name;
  const latinFamily = /^(windows-125[0247]|iso-8859-(1|2|3|4|9|10|13|14|15|16)|mac|ascii|utf|$)/.test(name);
  if (latinFamily && WESTERN.test(high)) return "windows-1252";
  return name && iconv.encodingExists(name) && !/^(ascii|utf)/.test(name) ? name : "windows-1252";
}

function mostlyUtf8(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
  const bad = text.match(/\ufffd/g)?.length ?? 0;
  const good = text.match(/[^\p{ASCII}\ufffd]/gu)?.length ?? 0;
  return bad * 20 <= good;
}

function guessTail(bytes: Uint8Array): string {
  const first = bytes.findIndex((byte) => byte >= 0x80);
  const sample = Buffer.from(bytes.subarray(Math.max(0, first - 1024), first + SAMPLE_BYTES));
  return guessed(sample, sample.toString("latin1"));
}
