import iconv from "iconv-lite";
import { type CompoundFile, streamOf } from "../compound.ts";
import type { DocumentProperties } from "../model.ts";
import { codePage } from "./rtf/charsets.ts";

const MAX_VALUES = 200;
/** Between 1601, from where Windows counts, and 1970. */
const EPOCH_MS = 11_644_473_600_000;

/** What an old Office document says about itself; nothing if that part is damaged. */
export function oleProperties(file: CompoundFile): DocumentProperties {
  let values: Map<number, string | number>;
  try {
    values = propertySet(streamOf(file, "\u0005SummaryInformation"));
  } catch {
    return {};
  }
  const text = (id: number) => {
    const value = values.get(id);
    return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
  };
  const time = (id: number) => {
    const value = values.get(id);
    return typeof value === "number" && value > 0 && value < 4e12 ? new Date(value).toISOString() : undefined;
  };
  const properties: DocumentProperties = {};
  const title = text(2);
  if (title !== undefined) properties.title = title;
  const subject = text(3);
  if (subject !== undefined) properties.subject = subject;
  const author = text(4);
  if (author !== undefined) properties.authors = author.split(/\s*;\s*/).filter(Boolean);
  const keywords = text(5)
    ?.split(/\s*[,;]\s*/)
    .filter(Boolean);
  if (keywords !== undefined) properties.keywords = keywords.slice(0, MAX_VALUES);
  const created = time(12);
  if (created !== undefined) properties.created = created;
  const modified = time(13);
  if (modified !== undefined) properties.modified = modified;
  const pages = values.get(14);
  if (typeof pages === "number" && pages > 0 && pages < 1_000_000) properties.pageCount = pages;
  const extra: NonNullable<DocumentProperties["extra"]> = {};
  for (const [name, id] of [
    ["description", 6],
    ["template", 7],
    ["lastModifiedBy", 8],
    ["application", 18],
  ] as const) {
    const value = text(id);
    if (value !== undefined) extra[name] = value;
  }
  if (Object.keys(extra).length > 0) properties.extra = extra;
  return properties;
}

/** The values of the first property set, by their ids; times as milliseconds. */
function propertySet(stream: Buffer | undefined): Map<number, string | number> {
  const values = new Map<number, string | number>();
  if (stream === undefined) return values;
  const base = stream.readUInt32LE(44);
  const count = Math.min(MAX_VALUES, stream.readUInt32LE(base + 4));
  let encoding = "windows-1252";
  for (let i = 0; i < count; i++) {
    const id = stream.readUInt32LE(base + 8 + i * 8);
    const at = base + stream.readUInt32LE(base + 12 + i * 8);
    const type = stream.readUInt16LE(at);
    if (id === 1 && type === 2) encoding = codePage(stream.readUInt16LE(at + 4));
    else if (type === 0x1e || type === 0x1f) {
      const length = Math.min(stream.readUInt32LE(at + 4) * (type === 0x1f ? 2 : 1), 65_536);
      const bytes = stream.subarray(at + 8, at + 8 + length);
      const value = iconv.decode(bytes, type === 0x1f || encoding === "cp1200" ? "utf-16le" : encoding);
      values.set(id, value.split("\0")[0] ?? "");
    } else if (type === 3) values.set(id, stream.readInt32LE(at + 4));
    else if (type === 0x40) values.set(id, Number(stream.readBigUInt64LE(at + 4) / 10_000n) - EPOCH_MS);
  }
  return values;
}
