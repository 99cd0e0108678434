import { DatabaseSync } from "node:sqlite";

const SQLITE_BUSY = 5;

export interface FileLock {
  release(): void;
}

/**
 * Holds the file until `release` or the death of this process; null when another process, or another caller in this one,
 * holds it for longer than `waitMs`. Makes the file if it is not there, and blocks the process while it waits.
 */
export function lockFile(path: string, waitMs: number): FileLock | null {
  // SQLite's lock on an empty file is the operating system's own: the kernel drops it when the owner dies, so
  // none is ever stale, and it holds between containers that share the folder, where process ids mean nothing.
  const lock = new DatabaseSync(path, { timeout: waitMs });
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    return null;
  }
  let held = true;
  return {
    release() {
      if (held) lock.close();
      held = false;
    },
  };
}
