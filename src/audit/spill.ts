import { type FileHandle, mkdir, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type FileLock, lockFile } from "../lib/file-lock.ts";
import type { RowText } from "./row-queue.ts";

/** A segment that has grown so far is closed and the next one begun. */
const SEGMENT_BYTES = 4 * 1024 * 1024;
const SEGMENT = /^\d{8}\.ndjson$/;

export interface SpillOptions {
  /** Of all processes that share the data folder. Each has a folder of its own in it, locked as long as it lives. */
  readonly root: string;
  /** Unlike that of any other process. */
  readonly name: string;
  /** Of all segments under `root` together. */
  readonly maxBytes: number;
}

/** The rows of a file, and how many of its lines could not be read. */
export interface SegmentRows {
  readonly rows: readonly RowText[];
  readonly damaged: number;
}

/** Rows on disk until the database takes them, in segments of lines of JSON. */
export interface Spill {
  /**
   * Appends the rows; they are on the disk when it resolves.
   * @throws Error when they do not fit into `maxBytes`, or the disk does not take them: then none of them counts
   */
  append(rows: readonly RowText[]): Promise<void>;
  /** Closes the segment that is written to; answers all, oldest first, those of processes that are gone among them. */
  segments(): Promise<string[]>;
  read(segment: string): Promise<SegmentRows>;
  remove(segment: string): Promise<void>;
  /** Rows of this process that wait. */
  readonly rows: number;
  /** Lets others take what is left. */
  close(): Promise<void>;
}

interface Current {
  readonly path: string;
  readonly file: FileHandle;
  bytes: number;
}

export function createSpill({ root, name, maxBytes }: SpillOptions): Spill {
  const folder = join(root, name);
  /** Own segments that are not removed: bytes and rows. */
  const kept = new Map<string, { bytes: number; rows: number }>();
  const adopted = new Map<string, FileLock>();
  let lock: FileLock | null = null;
  let current: Current | null = null;
  let sequence = 0;
  /** Bytes of other processes' segments, when the newest segment of this one was begun. */
  let foreignBytes = 0;
  let last: Promise<unknown> = Promise.resolve();
  /** One after the other: what is written to is not closed meanwhile. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return turn;
  };

  const begin = async (): Promise<Current> => {
    if (!lock) {
      await mkdir(root, { recursive: true, mode: 0o700 });
      // Before there is a folder, or another process would take it for one of the dead.
      lock = lockFile(`${folder}.lock`, 0);
      if (!lock) throw new Error(`${folder} is another process's`);
    }
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await sync(root);
    foreignBytes = await bytesBeside();
    const path = join(folder, `${String(++sequence).padStart(8, "0")}.ndjson`);
    const file = await open(path, "ax", 0o600);
    await sync(folder);
    current = { path, file, bytes: 0 };
    return current;
  };

  const closeCurrent = async (): Promise<void> => {
    const closing = current;
    current = null;
    await closing?.file.close();
    // Nothing came into it, and nobody else knows of it.
    if (closing?.bytes === 0) await rm(closing.path, { force: true });
  };

  /** The folders of other processes, which may go at any moment. */
  const foldersBeside = async (): Promise<string[]> => {
    const entries = (await readdir(root, { withFileTypes: true }).catch(ignoreMissing)) ?? [];
    return entries
      .filter((entry) => entry.isDirectory() && entry.name !== name)
      .map((entry) => join(root, entry.name));
  };

  const bytesBeside = async (): Promise<number> => {
    let bytes = 0;
    for (const beside of await foldersBeside()) {
      for (const segment of await listed(beside)) {
        bytes += (await stat(segment).catch(ignoreMissing))?.size ?? 0;
      }
    }
    return bytes;
  };

  /** Takes over the folders of processes that are gone. */
  const adopt = async (): Promise<void> => {
    for (const orphan of await foldersBeside()) {
      if (adopted.has(orphan)) continue;
      const taken = lockFile(`${orphan}.lock`, 0);
      if (taken) adopted.set(orphan, taken);
    }
  };

  const listed = async (of: string): Promise<string[]> => {
    const names = (await readdir(of).catch(ignoreMissing)) ?? [];
    return names
      .filter((file) => SEGMENT.test(file))
      .sort()
      .map((file) => join(of, file));
  };

  /** Gives back the folder of a process that is gone, with nothing left in it. */
  const disown = async (orphan: string): Promise<void> => {
    await rm(orphan, { recursive: true, force: true });
    await rm(`${orphan}.lock`, { force: true });
    adopted.get(orphan)?.release();
    adopted.delete(orphan);
  };

  const append = async (rows: readonly RowText[]): Promise<void> => {
    const text = rows.map((row) => `${row}\n`).join("");
    const bytes = Buffer.byteLength(text);
    if (current && current.bytes >= SEGMENT_BYTES) await closeCurrent();
    const segment = current ?? (await begin());
    if (foreignBytes + total("bytes") + bytes > maxBytes)
      throw new Error(`the spill of the audit log is full: it may have ${maxBytes} bytes`);
    const before = kept.get(segment.path) ?? { bytes: 0, rows: 0 };
    try {
      await segment.file.appendFile(text);
      await segment.file.datasync();
    } catch (error) {
      // After a failed flush nobody knows what of the file is on the disk: what comes next goes into another one.
      await segment.file.truncate(segment.bytes).catch(() => {});
      await closeCurrent().catch(() => {});
      throw error;
    }
    segment.bytes += bytes;
    kept.set(segment.path, { bytes: before.bytes + bytes, rows: before.rows + rows.length });
  };

  const total = (what: "bytes" | "rows"): number =>
    Array.from(kept.values()).reduce((sum, segment) => sum + segment[what], 0);

  return {
    append: (rows) => inTurn(() => append(rows)),
    async segments() {
      await inTurn(closeCurrent);
      await adopt();
      const found: string[] = [];
      for (const orphan of adopted.keys()) {
        const left = await listed(orphan);
        if (left.length === 0) await disown(orphan);
        found.push(...left);
      }
      return [...found, ...kept.keys()];
    },
    async read(segment) {
      const lines = (await readFile(segment, "utf8")).split("\n");
      // After the last line break stands nothing, or what a crash has torn off.
      const torn = isRow(lines.at(-1) ?? "") ? 0 : 1;
      const rows = lines.filter(isRow);
      return { rows, damaged: lines.length - rows.length - torn };
    },
    async remove(segment) {
      await rm(segment, { force: true });
      kept.delete(segment);
    },
    get rows() {
      return total("rows");
    },
    async close() {
      await inTurn(closeCurrent);
      for (const taken of adopted.values()) taken.release();
      adopted.clear();
      if (kept.size === 0 && lock) {
        await rm(folder, { recursive: true, force: true });
        await rm(`${folder}.lock`, { force: true });
      }
      lock?.release();
      lock = null;
    },
  };
}

function isRow(line: string): boolean {
  try {
    const row: unknown = JSON.parse(line);
    return row !== null && typeof row === "object" && "id" in row && "timestamp" in row;
  } catch {
    return false;
  }
}

/** A new file is found after a crash only if its folder is on the disk too. */
async function sync(folder: string): Promise<void> {
  // Windows opens no folders, and needs none of this.
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
