import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DataDirInUseError } from "./errors.ts";

const BUSY_MS = 250;
const SQLITE_BUSY = 5;

/**
 * Makes this process the owner of the data folder until `release` or its death.
 * @throws DataDirInUseError when another process, or another caller in this one, owns it
 */
export function lockDataDir(dataDir: string): { release(): void } {
  const pidFile = join(dataDir, "owner.pid");
  // SQLite's lock on an empty file is the operating system's own: the kernel drops it when the owner dies, so
  // none is ever stale, and it holds between containers that share the folder, where process ids mean nothing.
  const lock = new DatabaseSync(join(dataDir, "owner.lock"), { timeout: BUSY_MS });
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    throw new DataDirInUseError(dataDir, ownerOf(pidFile));
  }
  writeFileSync(pidFile, `${process.pid}\n`);
  let held = true;
  return {
    release() {
      if (held) lock.close();
      held = false;
    },
  };
}

function ownerOf(pidFile: string): string {
  try {
    return readFileSync(pidFile, "utf8").trim() || "(unknown)";
  } catch {
    return "(unknown)";
  }
}
