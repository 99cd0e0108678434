import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Removes folders of workers that were killed: their name begins with the id of a process that is gone. One that
 * cannot be told to be gone, as another user's worker, keeps its folder.
 * @param probe throws as `process.kill` does when the process is not there or not ours
 */
export async function removeLeftovers(
  folder: string,
  probe: (pid: number) => void = signalZero,
): Promise<void> {
  for (const name of await readdir(folder).catch(() => [] as string[])) {
    const pid = /^([1-9]\d*)-/.exec(name)?.[1];
    if (pid && isGone(Number(pid), probe)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

function isGone(pid: number, probe: (pid: number) => void): boolean {
  try {
    probe(pid);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function signalZero(pid: number): void {
  process.kill(pid, 0);
}
