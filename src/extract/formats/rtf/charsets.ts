import iconv from "iconv-lite";
import { symbolCharacter } from "../docx/symbols.ts";

/** A font's number in the document ▶ how its bytes are read. */
export interface RtfFont {
  name: string;
  encoding: string | undefined;
  isSymbol: boolean;
}

const BY_CHARSET: Readonly<Record<number, number>> = {
  77: 10000,
  128: 932,
  129: 949,
  130: 949,
  134: 936,
  136: 950,
  161: 1253,
  162: 1254,
  163: 1258,
  177: 1255,
  178: 1256,
  186: 1257,
  204: 1251,
  222: 874,
  238: 1250,
  254: 437,
  255: 850,
};
const NAMES: Readonly<Record<number, string>> = {
  932: "shift_jis",
  936: "gbk",
  949: "cp949",
  950: "big5",
  10000: "macintosh",
  10001: "shift_jis",
  10007: "maccyrillic",
  65001: "utf-8",
};

/** The name of a code page; windows-1252 for one that is not known. */
export function codePage(number: number): string {
  const name = NAMES[number] ?? `cp${number}`;
  return iconv.encodingExists(name) ? name : "windows-1252";
}

/** The character set of a font by its `\fcharset`; undefined where the document's own holds. */
export function encodingOfCharset(charset: number): string | undefined {
  const page = BY_CHARSET[charset];
  return page === undefined ? undefined : codePage(page);
}

/** Bytes of text as the font shows them. Never throws. */
export function decodeBytes(bytes: readonly number[], font: RtfFont | undefined, encoding: string): string {
  if (font?.isSymbol)
    return bytes.map((byte) => symbolCharacter(font.name, (0xf000 + byte).toString(16))).join("");
  if (bytes.every((byte) => byte < 0x80)) return String.fromCharCode(...bytes);
  return iconv.decode(Buffer.from(bytes), font?.encoding ?? encoding);
}
