import { pipeline, type Readable } from "node:stream";
import { crc32, createInflateRaw } from "node:zlib";
import yauzl, { type Entry, type ZipFile } from "yauzl";
import { DocumentFault, LimitFault } from "./errors.ts";

/** The bounds a ZIP container is read under; `ExtractLimits` fits. */
export interface ZipLimits {
  /** Bytes after decompression, over all reads of all members. */
  maxInflatedBytes: number;
  /** Inflated over stored bytes of what was read, judged once 1 MiB was inflated. */
  maxInflationRatio: number;
  maxMembers: number;
  onInflated?(bytes: number): void;
}

/** A file inside the container; folders are left out. The name is decoded, with `/` between its parts. */
export interface ZipMember {
  readonly name: string;
  readonly storedBytes: number;
  /** As the directory declares it; the real size is held to it while reading. */
  readonly declaredBytes: number;
}

/** An open container. Close it; reading never writes to the disk. */
export interface ZipArchive {
  /** In the order of the directory. */
  readonly members: readonly ZipMember[];
  /** The member with this name, exactly, or else in another letter case. */
  find(name: string): ZipMember | undefined;
  /**
   * The member's bytes as they are inflated.
   * @throws DocumentFault `DOCUMENT_TOO_LARGE` beyond the byte budget or ratio, `DOCUMENT_CORRUPT`
   */
  read(member: ZipMember): AsyncGenerator<Buffer, void, undefined>;
  /**
   * All bytes of a small member at once.
   * @throws DocumentFault `LIMIT_EXCEEDED` if there are more than `maxBytes`
   */
  readAll(member: ZipMember, maxBytes: number): Promise<Buffer>;
  close(): void;
}

const RATIO_GRACE_BYTES = 1024 * 1024;

const corrupt = (cause: unknown) =>
  new DocumentFault(
    "DOCUMENT_CORRUPT",
    "The document's ZIP container is damaged or cut off; send it again from an intact copy.",
    cause,
  );

const encrypted = () =>
  new DocumentFault(
    "DOCUMENT_ENCRYPTED",
    "The ZIP container is protected by a password; send it without one.",
  );

/**
 * Opens a ZIP container and reads its directory.
 * @throws DocumentFault `DOCUMENT_CORRUPT`, or `LIMIT_EXCEEDED` when it has more than `limits.maxMembers` members
 */
export async function openZip(path: string, limits: ZipLimits, signal?: AbortSignal): Promise<ZipArchive> {
  let file: ZipFile;
  try {
    // Names are decoded below, because yauzl refuses a whole archive over one name with `..` in it.
    file = await yauzl.openPromise(path, {
      autoClose: false,
      decodeStrings: false,
      validateEntrySizes: true,
    });
  } catch (error) {
    throw corrupt(error);
  }
  try {
    const entries = await readDirectory(file, limits.maxMembers, signal);
    return archiveOf(file, entries, limits, signal);
  } catch (error) {
    file.close();
    if (error instanceof DocumentFault || signal?.aborted) throw error;
    throw error instanceof Error && /encryption/.test(error.message) ? encrypted() : corrupt(error);
  }
}

async function readDirectory(file: ZipFile, maxMembers: number, signal?: AbortSignal) {
  const tooMany = (count: number) =>
    new LimitFault(
      "maxMembers",
      `The document's ZIP container has ${count} members, more than the ${maxMembers} allowed.`,
    );
  if (file.entryCount > maxMembers) throw tooMany(file.entryCount);
  const entries = new Map<ZipMember, Entry>();
  let seen = 0;
  for await (const entry of file.eachEntry()) {
    signal?.throwIfAborted();
    seen += 1;
    if (seen > maxMembers) throw tooMany(seen);
    const name = yauzl.getFileNameLowLevel(
      entry.generalPurposeBitFlag,
      entry.fileNameRaw,
      entry.extraFields ?? [],
      false,
    );
    if (name.endsWith("/")) continue;
    entries.set({ name, storedBytes: entry.compressedSize, declaredBytes: entry.uncompressedSize }, entry);
  }
  return entries;
}

// yauzl's own inflate stream is not destroyed when a reader stops early, which keeps its memory.
async function openInflated(file: ZipFile, entry: Entry): Promise<Readable> {
  const raw = await file.openReadStreamPromise(entry, { decodeFileData: false });
  if (entry.compressionMethod === 0) return raw;
  if (entry.compressionMethod !== 8) {
    raw.destroy();
    throw new Error(`compression method ${entry.compressionMethod} is not supported`);
  }
  const inflate = createInflateRaw();
  return pipeline(raw, inflate, () => raw.destroy());
}

function archiveOf(
  file: ZipFile,
  entries: Map<ZipMember, Entry>,
  limits: ZipLimits,
  signal?: AbortSignal,
): ZipArchive {
  const members = [...entries.keys()];
  const byName = new Map<string, ZipMember>();
  const byFoldedName = new Map<string, ZipMember>();
  for (const member of members) {
    if (!byName.has(member.name)) byName.set(member.name, member);
    const folded = member.name.toLowerCase();
    if (!byFoldedName.has(folded)) byFoldedName.set(folded, member);
  }
  let inflated = 0;
  let stored = 0;

  const judge = (total: number) => {
    if (total > limits.maxInflatedBytes) {
      throw new LimitFault(
        "maxInflatedBytes",
        `The document unpacks to more than the ${limits.maxInflatedBytes} bytes allowed.`,
        "DOCUMENT_TOO_LARGE",
      );
    }
    if (total > RATIO_GRACE_BYTES && total > stored * limits.maxInflationRatio) {
      throw new LimitFault(
        "maxInflationRatio",
        `The document unpacks to more than ${limits.maxInflationRatio} times its stored size, as ZIP bombs do.`,
        "DOCUMENT_TOO_LARGE",
      );
    }
  };

  async function* read(member: ZipMember): AsyncGenerator<Buffer, void, undefined> {
    const entry = entries.get(member);
    if (entry === undefined) throw new RangeError("The member belongs to another archive.");
    if (entry.isEncrypted()) {
      throw encrypted();
    }
    stored += entry.compressedSize;
    // What the directory declares is held to below, so a bomb need not be inflated to be known.
    judge(inflated + entry.uncompressedSize);
    let size = 0;
    let checksum = 0;
    let stream: Readable | undefined;
    try {
      stream = await openInflated(file, entry);
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        signal?.throwIfAborted();
        size += chunk.length;
        if (size > entry.uncompressedSize)
          throw new Error(`${member.name} is larger than the directory says`);
        inflated += chunk.length;
        limits.onInflated?.(chunk.length);
        judge(inflated);
        checksum = crc32(chunk, checksum);
        yield chunk;
      }
    } catch (error) {
      throw error instanceof DocumentFault || signal?.aborted ? error : corrupt(error);
    } finally {
      stream?.destroy();
    }
    if (size !== entry.uncompressedSize || checksum !== entry.crc32) {
      throw corrupt(new Error(`size or checksum of ${member.name} does not match the directory`));
    }
  }

  return {
    members,
    find: (name) => byName.get(name) ?? byFoldedName.get(name.toLowerCase()),
    read,
    async readAll(member, maxBytes) {
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of read(member)) {
        size += chunk.length;
        if (size > maxBytes) {
          throw new DocumentFault(
            "LIMIT_EXCEEDED",
            `A part of the document has more than ${maxBytes} bytes.`,
          );
        }
        chunks.push(chunk);
      }
      return Buffer.concat(chunks, size);
    },
    close: () => file.close(),
  };
}
