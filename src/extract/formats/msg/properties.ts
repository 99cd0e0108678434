import iconv from "iconv-lite";
import { type CompoundEntry, type CompoundFile, entryOf } from "../../compound.ts";
import { codePage } from "../rtf/charsets.ts";

/** The properties of a message, a recipient or an attachment. */
export interface MapiProperties {
  text(id: number): string | undefined;
  bytes(id: number): Buffer | undefined;
  number(id: number): number | undefined;
  /** ISO 8601. */
  time(id: number): string | undefined;
  /** The storage of an object, e.g. a message that is attached. */
  object(id: number): CompoundEntry | undefined;
}

const [UNICODE, NARROW, BINARY, OBJECT] = ["001F", "001E", "0102", "000D"];
const [MESSAGE_CODE_PAGE, INTERNET_CODE_PAGE] = [0x3ffd, 0x3fde];
/** Between 1601, from where Windows counts, and 1970. */
const EPOCH_MS = 11_644_473_600_000;

/** @param headBytes what precedes the fixed properties: 32 in a file, 24 in a message inside, 8 elsewhere */
export function mapiProperties(
  file: CompoundFile,
  storage: CompoundEntry,
  headBytes: number,
  outerEncoding?: string,
): MapiProperties & { encoding: string } {
  const fixed = new Map<number, Buffer>();
  const table = entryOf(storage, "__properties_version1.0");
  const data = table === undefined ? Buffer.alloc(0) : file.read(table);
  for (let at = headBytes; at + 16 <= data.length; at += 16) {
    fixed.set(data.readUInt16LE(at + 2), data.subarray(at + 8, at + 16));
  }
  const number = (id: number) => fixed.get(id)?.readInt32LE(0);
  const page = number(MESSAGE_CODE_PAGE) ?? number(INTERNET_CODE_PAGE);
  const encoding = page ? codePage(page) : (outerEncoding ?? "windows-1252");
  const stream = (id: number, type: string | undefined) =>
    entryOf(storage, `__substg1.0_${id.toString(16).padStart(4, "0")}${type}`);
  const read = (id: number, type: string | undefined) => {
    const entry = stream(id, type);
    return entry === undefined || entry.isStorage ? undefined : file.read(entry);
  };
  return {
    encoding,
    number,
    bytes: (id) => read(id, BINARY),
    text(id) {
      const wide = read(id, UNICODE);
      const narrow = wide === undefined ? read(id, NARROW) : undefined;
      const text = wide?.toString("utf16le") ?? (narrow && iconv.decode(narrow, encoding));
      return text?.replace(/\0+$/, "");
    },
    time(id) {
      const value = fixed.get(id)?.readBigUInt64LE(0);
      if (value === undefined || value === 0n) return undefined;
      const date = new Date(Number(value / 10_000n) - EPOCH_MS);
      return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
    },
    object(id) {
      const entry = stream(id, OBJECT);
      return entry?.isStorage ? entry : undefined;
    },
  };
}
