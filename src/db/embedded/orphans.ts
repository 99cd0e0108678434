import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "./run.ts";

const POLL_MS = 10;
const FAST_STOP_MS = 15_000;
const HARD_STOP_MS = 5_000;

/** What PostgreSQL writes into `postmaster.pid`. */
export interface PidFile {
  readonly pid: number;
  readonly port: number;
  /** `starting`, `ready`, `stopping` or `standby`; empty while it is being written. */
  readonly status: string;
}

/** Reads `postmaster.pid`; null when there is none. */
export async function readPidFile(pgdata: string): Promise<PidFile | null> {
  const text = await readFile(join(pgdata, "postmaster.pid"), "utf8").catch(() => null);
  if (text === null) return null;
  const lines = text.split("\n");
  return { pid: Number(lines[0]), port: Number(lines[3]), status: (lines[7] ?? "").trim() };
}

/**
 * Ends every server process on this data folder. To be called by the folder's owner only: what still runs then
 * was left behind by a program that died. Asks for a fast shutdown first, and forces it after 15 s.
 * Afterwards `postmaster.pid` names no living process, so the next server starts.
 * @returns how many processes had to be ended
 */
export async function stopOrphans(pgdata: string): Promise<number> {
  const found = await serverProcesses(pgdata);
  const main = (await readPidFile(pgdata))?.pid;
  if (found.length > 0) {
    // Backends that outlived their postmaster do not know a fast shutdown; SIGTERM ends them.
    if (main !== undefined && found.includes(main)) signal(main, "SIGINT");
    else for (const pid of found) signal(pid, "SIGTERM");
    if (!(await gone(pgdata, FAST_STOP_MS))) {
      for (const pid of await serverProcesses(pgdata)) signal(pid, "SIGQUIT");
      if (!(await gone(pgdata, HARD_STOP_MS))) {
        for (const pid of await serverProcesses(pgdata)) signal(pid, "SIGKILL");
        await gone(pgdata, HARD_STOP_MS);
      }
    }
  }
  await forgetReusedPid(pgdata);
  return found.length;
}

/** After a restart of a container the old id often belongs to a stranger, and PostgreSQL would refuse to start. */
async function forgetReusedPid(pgdata: string): Promise<void> {
  const left = await readPidFile(pgdata);
  if (left === null || (await serverProcesses(pgdata)).length > 0) return;
  await rm(join(pgdata, "postmaster.pid"), { force: true });
}

async function gone(pgdata: string, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    if ((await serverProcesses(pgdata)).length === 0) return true;
    await sleep(POLL_MS);
  }
  return false;
}

/** The living server processes on this folder: PostgreSQL makes its data folder the working directory of each. */
async function serverProcesses(pgdata: string): Promise<number[]> {
  const folder = await stat(pgdata).catch(() => null);
  if (folder === null) return [];
  if (process.platform !== "linux") return await mainProcessOnly(pgdata);
  const pids: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (!(await readFile(`/proc/${name}/comm`, "utf8")).startsWith("postgres")) continue;
      const cwd = await stat(`/proc/${name}/cwd`);
      if (cwd.dev === folder.dev && cwd.ino === folder.ino) pids.push(Number(name));
    } catch {
      // It ended while we looked, or belongs to another user and so cannot be ours.
    }
  }
  return pids;
}

async function mainProcessOnly(pgdata: string): Promise<number[]> {
  const pid = (await readPidFile(pgdata))?.pid;
  if (pid === undefined || !Number.isInteger(pid)) return [];
  const { stdout } = await run(["ps", "-o", "comm=", "-p", String(pid)], 5_000);
  return stdout.includes("postgres") ? [pid] : [];
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone already, which is what we want.
  }
}
