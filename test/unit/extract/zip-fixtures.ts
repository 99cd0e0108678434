import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, crc32, deflateRawSync } from "node:zlib";
import { DEFAULT_EXTRACT_LIMITS, type ExtractInput } from "../../../src/extract/extractor.ts";

export interface FixtureMember {
  name: string;
  data: string | Buffer;
  encrypted?: boolean;
  /** Writes the data this many times over, compressed once, between `before` and `after`. */
  repeat?: number;
  before?: string;
  after?: string;
}

/** A ZIP container in memory. */
export function zipOf(members: readonly FixtureMember[]): Buffer {
  const local: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data, encrypted = false, repeat = 1, before = "", after = "" } of members) {
    const raw = Buffer.from(data);
    const edges = [Buffer.from(before), Buffer.from(after)] as const;
    const packed = repeat === 1 ? deflateRawSync(raw) : repeated(raw, repeat, edges);
    const size = raw.length * repeat + edges[0].length + edges[1].length;
    let checksum = crc32(edges[0]);
    for (let i = 0; i < repeat; i++) checksum = crc32(raw, checksum);
    checksum = crc32(edges[1], checksum);
    const label = Buffer.from(name);
    const header = Buffer.alloc(30);
    header.writeUInt32LE(0x04034b50, 0);
    header.writeUInt16LE(20, 4);
    header.writeUInt16LE(encrypted ? 1 : 0, 6);
    header.writeUInt16LE(8, 8);
    header.writeUInt32LE(checksum, 14);
    header.writeUInt32LE(packed.length, 18);
    header.writeUInt32LE(size, 22);
    header.writeUInt16LE(label.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(20, 4);
    header.copy(entry, 6, 4, 30);
    entry.writeUInt32LE(offset, 42);
    local.push(header, label, packed);
    directory.push(entry, label);
    offset += header.length + label.length + packed.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...local, central, end]);
}

function repeated(raw: Buffer, times: number, [before, after]: readonly [Buffer, Buffer]): Buffer {
  const [first, block] = [before, raw].map((data) =>
    deflateRawSync(data, { finishFlush: constants.Z_FULL_FLUSH }),
  );
  return Buffer.concat([first!, ...Array.from({ length: times }, () => block!), deflateRawSync(after)]);
}

/** A container whose directory counts this many members, all of them the same empty file. */
export function zipOfMany(count: number): Buffer {
  const entry = Buffer.alloc(47);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(1, 28);
  entry.write("a", 46);
  const local = Buffer.alloc(31);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(1, 26);
  local.write("a", 30);
  const central = Buffer.alloc(entry.length * count);
  for (let i = 0; i < count; i++) entry.copy(central, i * entry.length);
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(44n, 4);
  end64.writeBigUInt64LE(BigInt(count), 24);
  end64.writeBigUInt64LE(BigInt(count), 32);
  end64.writeBigUInt64LE(BigInt(central.length), 40);
  end64.writeBigUInt64LE(BigInt(local.length), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(local.length + central.length), 8);
  locator.writeUInt32LE(1, 16);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.fill(0xff, 8, 20);
  return Buffer.concat([local, central, end64, locator, end]);
}

/** A folder for one test's files; gone at the end of the block. */
export async function scratch() {
  const folder = await mkdtemp(join(tmpdir(), "sluice-extract-"));
  return {
    async write(name: string, data: Buffer): Promise<string> {
      const path = join(folder, name);
      await writeFile(path, data);
      return path;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The input of an extractor with default limits and options. */
export function inputOf(path: string, size: number, changes: Partial<ExtractInput> = {}): ExtractInput {
  return {
    path,
    size,
    mediaType: "",
    filename: "",
    options: {
      maxPages: 0,
      includeTables: true,
      includeHeadersFooters: false,
      mainContentOnly: false,
      ocr: "auto",
      languages: [],
    },
    limits: DEFAULT_EXTRACT_LIMITS,
    signal: new AbortController().signal,
    progress: () => {},
    ...changes,
  };
}

const RELATIONSHIP = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/** A relationships part: id ▶ [type, target]; addresses are external. */
export function relationshipsXml(entries: Record<string, [type: string, target: string]>): string {
  const lines = Object.entries(entries).map(([id, [type, target]]) => {
    const mode = target.includes("://") ? ' TargetMode="External"' : "";
    return `<Relationship Id="${id}" Type="${RELATIONSHIP}/${type}" Target="${target}"${mode}/>`;
  });
  return `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">${lines.join("")}</Relationships>`;
}

/** The attributes that declare the prefixes of Office documents. */
export const OFFICE_XMLNS = [
  ["w", "wordprocessingml/2006/main"],
  ["a", "drawingml/2006/main"],
  ["p", "presentationml/2006/main"],
  ["c", "drawingml/2006/chart"],
  ["r", "officeDocument/2006/relationships"],
  ["m", "officeDocument/2006/math"],
  ["wp", "drawingml/2006/wordprocessingDrawing"],
  ["mc", "markup-compatibility/2006"],
]
  .map(([prefix, path]) => `xmlns:${prefix}="http://schemas.openxmlformats.org/${path}"`)
  .concat('xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"')
  .join(" ");
