import { DocumentFault } from "../../errors.ts";
import { undecodable } from "./size.ts";

export const TAG = {
  subfile: 254,
  width: 256,
  height: 257,
  bits: 258,
  compression: 259,
  photometric: 262,
  stripOffsets: 273,
  orientation: 274,
  samples: 277,
  rowsPerStrip: 278,
  stripBytes: 279,
  planes: 284,
  predictor: 317,
  colourMap: 320,
  tileWidth: 322,
  tileHeight: 323,
  tileOffsets: 324,
  tileBytes: 325,
  extraSamples: 338,
  jpegTables: 347,
} as const;

const WANTED: ReadonlySet<number> = new Set(Object.values(TAG));
/** Bytes of one value by its type; others are not read. */
const VALUE_BYTES: Readonly<Record<number, 1 | 2 | 4>> = { 1: 1, 3: 2, 4: 4, 7: 1 };
const BIG_TIFF = 43;
const REDUCED_COPY = 1;

/** One page: where its directory lies, and the values of its tags. */
export interface TiffPage {
  offset: number;
  tags: ReadonlyMap<number, readonly number[]>;
}

/**
 * The directories of a TIFF, thumbnails left out. Every directory and every value lies inside the file, and no
 * directory is read twice.
 *
 * @param max pages that are looked for
 * @throws DocumentFault DOCUMENT_CORRUPT if not every directory can be read, UNSUPPORTED_MEDIA_TYPE for BigTIFF
 */
export function tiffPages(bytes: Buffer, max: number): TiffPage[] {
  if (bytes.length < 8) throw undecodable();
  const little = bytes[0] === 0x49;
  const u16 = (at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const u32 = (at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  if (u16(2) === BIG_TIFF) {
    throw new DocumentFault("UNSUPPORTED_MEDIA_TYPE", "BigTIFF is not read; save it as a plain TIFF.");
  }
  const valuesAt = (entry: number): number[] => {
    const size = VALUE_BYTES[u16(entry + 2)];
    const count = u32(entry + 4);
    if (size === undefined) return [];
    const at = size * count <= 4 ? entry + 8 : u32(entry + 8);
    if (at + size * count > bytes.length) throw undecodable();
    const read = size === 1 ? (i: number) => bytes.readUInt8(i) : size === 2 ? u16 : u32;
    return Array.from({ length: count }, (_, i) => read(at + size * i));
  };

  const pages: TiffPage[] = [];
  const seen = new Set<number>();
  for (let offset = u32(4); offset !== 0 && pages.length < max; ) {
    if (seen.has(offset) || offset + 2 > bytes.length) throw undecodable();
    seen.add(offset);
    const entries = u16(offset);
    const end = offset + 2 + 12 * entries;
    if (end + 4 > bytes.length) throw undecodable();
    const tags = new Map<number, number[]>();
    for (let entry = offset + 2; entry < end; entry += 12) {
      const tag = u16(entry);
      if (WANTED.has(tag) && !tags.has(tag)) tags.set(tag, valuesAt(entry));
    }
    if (((tags.get(TAG.subfile)?.[0] ?? 0) & REDUCED_COPY) === 0) pages.push({ offset, tags });
    offset = u32(end);
  }
  return pages;
}

/** Makes the page the first of the file, and so the one that a decoder reads. */
export function putFirst(bytes: Buffer, { offset }: TiffPage): void {
  if (bytes[0] === 0x49) bytes.writeUInt32LE(offset, 4);
  else bytes.writeUInt32BE(offset, 4);
}
