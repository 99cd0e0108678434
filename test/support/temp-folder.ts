import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MEMORY = "/dev/shm";
/** More than the databases and files of a whole run have ever taken together. */
const ROOM_BYTES = 4 * 1024 ** 3;

/**
 * Settles for this process and those that it starts where temporary files go, unless TMPDIR says it, and that Node
 * keeps there what it has compiled. It is a folder in memory, if there is room, and goes with this process: to make
 * and drop a database there costs a tenth of what it costs on a disk, and nearly every test has one.
 */
export function settleTempFolder(): void {
  if (!process.env.TMPDIR && hasRoom()) {
    const folder = mkdtempSync(join(MEMORY, "sluice-tests-"));
    process.on("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    // As /tmp is: some tests run programs as another user.
    chmodSync(folder, 0o1777);
    if (runsPrograms(folder)) process.env.TMPDIR = folder;
  }
  process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), "node-compile-cache");
}

/** What of it a process needs that is to see nothing else of the environment. */
export function tempFolderSettings(): Record<string, string> {
  const { TMPDIR, NODE_COMPILE_CACHE } = process.env;
  return { ...(TMPDIR ? { TMPDIR } : {}), ...(NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE } : {}) };
}

function hasRoom(): boolean {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return Math.min(bavail * bsize, process.availableMemory()) >= ROOM_BYTES;
  } catch {
    return false;
  }
}

/** Containers often mount it without; some tests run programs from their folder. */
function runsPrograms(folder: string): boolean {
  const probe = join(folder, "probe");
  writeFileSync(probe, "#!/bin/sh\n", { mode: 0o755 });
  const ran = spawnSync(probe).status === 0;
  rmSync(probe);
  return ran;
}
