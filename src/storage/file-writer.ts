import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../lib/clock.ts";
import { ObjectTooLargeError } from "./errors.ts";

const DRAFT_AGE_MS = 24 * 3_600_000;
const MOVE_TRIES = 5;

/** Writes files that appear whole, durable and at once, or not at all. */
export interface FileWriter {
  write(
    file: string,
    body: AsyncIterable<Uint8Array> | Uint8Array,
    maxBytes?: number,
  ): Promise<{ size: number; sha256: string }>;
  /** Removes the empty folders above a file, up to the folder of all objects. */
  pruneAbove(file: string): Promise<void>;
}

/** `drafts` must lie in the same file system as `objects`. */
export function createFileWriter({
  objects,
  drafts,
  clock,
}: {
  objects: string;
  drafts: string;
  clock: Clock;
}): FileWriter {
  let prepared: Promise<void> | undefined;
  const prepare = async (): Promise<void> => {
    await mkdir(objects, { recursive: true });
    await mkdir(drafts, { recursive: true });
    await removeOldDrafts(drafts, clock);
  };
  return {
    async write(file, body, maxBytes = Number.POSITIVE_INFINITY) {
      prepared ??= prepare();
      await prepared.catch((error: unknown) => {
        prepared = undefined;
        throw error;
      });
      const draft = join(drafts, randomUUID());
      const handle = await open(draft, "wx", 0o600);
      try {
        const written = await fill(handle, body, maxBytes).finally(() => handle.close());
        await moveInto(draft, file);
        return written;
      } catch (error) {
        await rm(draft, { force: true });
        throw error;
      }
    },
    async pruneAbove(file) {
      for (let dir = dirname(file); dir.startsWith(objects) && dir !== objects; dir = dirname(dir)) {
        if (
          !(await rmdir(dir).then(
            () => true,
            () => false,
          ))
        )
          return;
      }
    },
  };
}

async function fill(handle: FileHandle, body: AsyncIterable<Uint8Array> | Uint8Array, maxBytes: number) {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of body instanceof Uint8Array ? [body] : body) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new ObjectTooLargeError(maxBytes);
    hash.update(chunk);
    await handle.writeFile(chunk);
  }
  await handle.sync();
  return { size, sha256: hash.digest("hex") };
}

async function moveInto(draft: string, file: string): Promise<void> {
  const folder = dirname(file);
  for (let attempt = 1; ; attempt++) {
    const firstNew = await mkdir(folder, { recursive: true });
    try {
      await rename(draft, file);
      await syncFolders(folder, firstNew);
      return;
    } catch (error) {
      // A delete beside us may prune the folder between mkdir and rename.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || attempt >= MOVE_TRIES) throw error;
    }
  }
}

/** A name is durable when its folder is; so is a new folder's, up to the first that stood before. */
async function syncFolders(folder: string, firstNew: string | undefined): Promise<void> {
  const last = firstNew === undefined ? folder : dirname(firstNew);
  for (let dir = folder; ; dir = dirname(dir)) {
    const handle = await open(dir, "r");
    await handle.sync().finally(() => handle.close());
    if (dir === last) return;
  }
}

/** What uploads left behind that died with their process. */
async function removeOldDrafts(drafts: string, clock: Clock): Promise<void> {
  for (const name of await readdir(drafts)) {
    const path = join(drafts, name);
    const age = await stat(path).then(
      ({ mtimeMs }) => clock.now() - mtimeMs,
      () => 0,
    );
    if (age > DRAFT_AGE_MS) await rm(path, { force: true });
  }
}
