import { readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What a running server tells programs on its machine. */
export interface ServerFile {
  readonly url: string;
  readonly pid: number;
  /** With the password of the embedded database, so that further workers can join. */
  readonly databaseUrl: string;
}

const nameOf = (dataDir: string): string => join(dataDir, "server.json");

/** Readable by the owner alone; whole or not there at all. */
export async function writeServerFile(dataDir: string, content: ServerFile): Promise<void> {
  const draft = `${nameOf(dataDir)}.${content.pid}`;
  await writeFile(draft, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  await rename(draft, nameOf(dataDir));
}

/** Null when no server runs on this data folder; a file that a killed one left behind counts for nothing. */
export async function readServerFile(dataDir: string): Promise<ServerFile | null> {
  try {
    const server = JSON.parse(await readFile(nameOf(dataDir), "utf8")) as ServerFile;
    return isAlive(server.pid) ? server : null;
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It runs, and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

export async function removeServerFile(dataDir: string): Promise<void> {
  await unlink(nameOf(dataDir)).catch(() => {});
}
