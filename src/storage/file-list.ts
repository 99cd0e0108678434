import type { Dirent } from "node:fs";
import { opendir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileOfKey, isObjectKey } from "./keys.ts";
import type { ListedObject } from "./object-store.ts";

/** The objects below the folder of keys `folder`, read from disk as they are consumed. Files with other names are passed over. */
export async function* listFiles(root: string, folder: string): AsyncGenerator<ListedObject> {
  yield* walk(dirname(fileOfKey(root, `${folder}/any`)), folder);
}

async function* walk(path: string, prefix: string): AsyncGenerator<ListedObject> {
  for await (const entry of entriesOf(path)) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) {
      if (entry.name.endsWith("+")) yield* walk(inner, `${prefix}/${entry.name.slice(0, -1)}`);
      continue;
    }
    const key = `${prefix}/${entry.name}`;
    if (!entry.isFile() || !isObjectKey(key)) continue;
    const file = await stat(inner).catch(absent);
    if (file) yield { key, size: file.size, modified: file.mtime };
  }
}

/** A folder goes with the last object in it, also while it is read. */
async function* entriesOf(path: string): AsyncGenerator<Dirent> {
  try {
    yield* await opendir(path);
  } catch (error) {
    absent(error as NodeJS.ErrnoException);
  }
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === "ENOENT") return null;
  throw error;
}
