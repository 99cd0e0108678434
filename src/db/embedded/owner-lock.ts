import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lockFile } from "../../lib/file-lock.ts";
import { DataDirInUseError } from "./errors.ts";

const BUSY_MS = 250;

/**
 * Makes this process the owner of the data folder until `release` or its death.
 * @throws DataDirInUseError when another process, or another caller in this one, owns it
 */
export function lockDataDir(dataDir: string): { release(): void } {
  const pidFile = join(dataDir, "owner.pid");
  const lock = lockFile(join(dataDir, "owner.lock"), BUSY_MS);
  if (!lock) throw new DataDirInUseError(dataDir, ownerOf(pidFile));
  writeFileSync(pidFile, `${process.pid}\n`);
  return lock;
}

function ownerOf(pidFile: string): string {
  try {
    return readFileSync(pidFile, "utf8").trim() || "(unknown)";
  } catch {
    return "(unknown)";
  }
}
