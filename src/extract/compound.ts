import { DocumentFault } from "./errors.ts";

/** A stream or a storage (a folder) of a compound file, the container of old Office documents and Outlook mails. */
export interface CompoundEntry {
  readonly name: string;
  readonly isStorage: boolean;
  readonly size: number;
  /** In the order of the directory's tree. */
  readonly children: readonly CompoundEntry[];
}

export interface CompoundFile {
  readonly root: CompoundEntry;
  /**
   * All bytes of a stream.
   * @throws DocumentFault `DOCUMENT_CORRUPT` if its chain of sectors is broken
   */
  read(entry: CompoundEntry): Buffer;
}

/** The child of this name; letter case does not count. */
export function entryOf(storage: CompoundEntry, name: string): CompoundEntry | undefined {
  const wanted = name.toLowerCase();
  return storage.children.find((child) => child.name.toLowerCase() === wanted);
}

/** The bytes of the stream of this name below the root, or undefined if there is none. */
export function streamOf(file: CompoundFile, name: string): Buffer | undefined {
  const entry = entryOf(file.root, name);
  return entry === undefined || entry.isStorage ? undefined : file.read(entry);
}

const MAX_ENTRIES = 200_000;
/** Each stream is read once or twice; many entries that name the same sectors would cost their size each time. */
const MAX_READS = 8;
const MIN_READ_BYTES = 1024 * 1024;
const LAST_SECTOR = 0xfffffffa;
const NO_ENTRY = 0xffffffff;

const corrupt = (what: string) =>
  new DocumentFault(
    "DOCUMENT_CORRUPT",
    `The document's container is damaged: ${what}. Send it again from an intact copy.`,
  );

interface Entry extends CompoundEntry {
  children: Entry[];
  start: number;
  links: { left: number; right: number; child: number };
}

/**
 * Reads the directory of a compound file that is in memory. Every chain is bounded by the size of the file.
 * @throws DocumentFault `DOCUMENT_CORRUPT`
 */
export function openCompound(bytes: Buffer): CompoundFile {
  if (bytes.length < 512 || bytes.readUInt32BE(0) !== 0xd0cf11e0) throw corrupt("it does not begin like one");
  const shift = bytes.readUInt16LE(30);
  const miniShift = bytes.readUInt16LE(32);
  if ((shift !== 9 && shift !== 12) || miniShift < 2 || miniShift >= shift)
    throw corrupt("its sectors have no size");
  const sectorBytes = 2 ** shift;
  const sectorCount = Math.max(0, Math.ceil((bytes.length - sectorBytes) / sectorBytes));
  const sector = (index: number): Buffer => {
    if (index >= sectorCount) throw corrupt("it is cut off");
    return bytes.subarray((index + 1) * sectorBytes, (index + 2) * sectorBytes);
  };

  const table = readTable(bytes, sector, sectorCount, sectorBytes);
  const chain = (start: number, next: (index: number) => number, most: number): number[] => {
    const found: number[] = [];
    for (let at = start; at < LAST_SECTOR; at = next(at)) {
      if (found.length >= most) throw corrupt("a chain of sectors goes round");
      found.push(at);
    }
    return found;
  };
  const nextSector = (index: number) => table[index] ?? LAST_SECTOR;
  const readChain = (start: number): Buffer =>
    Buffer.concat(chain(start, nextSector, sectorCount).map(sector));

  const entries = readEntries(readChain(bytes.readUInt32LE(48)));
  const root = entries[0];
  if (root === undefined) throw corrupt("it has no directory");
  linkChildren(entries);

  const miniBytes = 2 ** miniShift;
  const cutoff = bytes.readUInt32LE(56);
  let read = 0;
  let mini: { data: Buffer; table: Buffer } | undefined;
  const openMini = () => {
    mini ??= { data: readChain(root.start), table: readChain(bytes.readUInt32LE(60)) };
    return mini;
  };
  return {
    root,
    read(entry) {
      const { start, size } = entry as Entry;
      if (size === 0) return Buffer.alloc(0);
      read += size;
      if (read > bytes.length * MAX_READS + MIN_READ_BYTES) throw corrupt("its streams lie over each other");
      let data: Buffer;
      if (size < cutoff) {
        const small = openMini();
        const next = (index: number) =>
          index * 4 + 4 <= small.table.length ? small.table.readUInt32LE(index * 4) : LAST_SECTOR;
        const parts = chain(start, next, small.table.length / 4).map((index) =>
          small.data.subarray(index * miniBytes, (index + 1) * miniBytes),
        );
        data = Buffer.concat(parts);
      } else data = readChain(start);
      // Some writers leave out the end of the last sector.
      if (data.length + sectorBytes < size) throw corrupt(`the stream ${entry.name} is cut off`);
      return data.subarray(0, size);
    },
  };
}

/** The allocation table: for each sector, the one that follows it. */
function readTable(
  bytes: Buffer,
  sector: (index: number) => Buffer,
  sectorCount: number,
  sectorBytes: number,
): Uint32Array {
  const table = new Uint32Array(sectorCount).fill(NO_ENTRY);
  const perSector = sectorBytes / 4;
  const places: number[] = [];
  for (let i = 0; i < 109; i++) places.push(bytes.readUInt32LE(76 + i * 4));
  const seen = new Set<number>();
  for (let at = bytes.readUInt32LE(68); at < LAST_SECTOR && !seen.has(at); ) {
    seen.add(at);
    const more = sector(at);
    if (more.length < sectorBytes) break;
    for (let i = 0; i < perSector - 1; i++) places.push(more.readUInt32LE(i * 4));
    at = more.readUInt32LE((perSector - 1) * 4);
  }
  let base = 0;
  for (const place of places) {
    if (base >= sectorCount) break;
    if (place < LAST_SECTOR) {
      const part = sector(place);
      const count = Math.min(Math.floor(part.length / 4), sectorCount - base);
      for (let i = 0; i < count; i++) table[base + i] = part.readUInt32LE(i * 4);
    }
    base += perSector;
  }
  return table;
}

function readEntries(directory: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at + 128 <= directory.length && entries.length < MAX_ENTRIES; at += 128) {
    const kind = directory[at + 66];
    const nameBytes = Math.min(64, directory.readUInt16LE(at + 64));
    entries.push({
      name: nameBytes > 2 ? directory.toString("utf16le", at, at + nameBytes - 2) : "",
      isStorage: kind === 1 || kind === 5,
      size: kind === 2 || kind === 5 ? directory.readUInt32LE(at + 120) : 0,
      children: [],
      start: directory.readUInt32LE(at + 116),
      links: {
        left: directory.readUInt32LE(at + 68),
        right: directory.readUInt32LE(at + 72),
        child: directory.readUInt32LE(at + 76),
      },
    });
  }
  return entries;
}

/** Each entry is taken once, so that a directory that goes round ends. */
function linkChildren(entries: readonly Entry[]): void {
  const taken = new Set<number>([0]);
  const storages = [0];
  for (let storage = storages.pop(); storage !== undefined; storage = storages.pop()) {
    const parent = entries[storage];
    const siblings = [parent?.links.child ?? NO_ENTRY];
    for (let index = siblings.pop(); index !== undefined; index = siblings.pop()) {
      const entry = entries[index];
      if (entry === undefined || taken.has(index)) continue;
      taken.add(index);
      parent?.children.push(entry);
      siblings.push(entry.links.right, entry.links.left);
      if (entry.isStorage) storages.push(index);
    }
  }
}
