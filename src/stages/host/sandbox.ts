import { execFile } from "node:child_process";
import { realpathSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { codePaths, modulePaths } from "./readable.ts";

/** How a child is started: `command args… node flags… script`. */
export interface Sandbox {
  /** Program and arguments before Node's own, empty where the platform has none of them. */
  prefix: readonly string[];
  /** The child has no network at all. */
  networkIsolated: boolean;
  /** The kernel kills the child when the worker dies. */
  diesWithParent: boolean;
}

const NONE: Sandbox = { prefix: [], networkIsolated: false, diesWithParent: false };

/**
 * The strongest isolation that this machine allows, found by trying it; takes a few milliseconds.
 * There is no cap on address space in it: Node 24 reserves 5 to 10 GiB that it never fills, and under caps of
 * 2 GiB and a little more it aborted as soon as its thread pool or large tables came in. Resident memory is
 * what counts, and the pool watches that.
 */
export async function findSandbox(path: string): Promise<Sandbox> {
  if (process.platform !== "linux") return NONE;
  const first = async (...candidates: string[][]) => {
    for (const candidate of candidates) if (await runs([...candidate, "true"], path)) return candidate;
    return [];
  };
  const [network, death] = await Promise.all([
    first(["unshare", "-rn", "--"], ["unshare", "-n", "--"]),
    first(
      ["setpriv", "--pdeathsig", "KILL", "--no-new-privs", "--"],
      ["setpriv", "--pdeathsig", "KILL", "--"],
    ),
  ]);
  // setpriv comes last: a change of credentials (unshare) would clear the death signal.
  for (const [net, end] of [
    [network, death],
    [[], death],
    [network, []],
  ] as const) {
    const prefix = [...net, ...end];
    if (prefix.length > 0 && (await runs([...prefix, "true"], path))) {
      return { prefix, networkIsolated: net.length > 0, diesWithParent: end.length > 0 };
    }
  }
  return NONE;
}

function runs(command: readonly string[], path: string): Promise<boolean> {
  return new Promise((settle) => {
    execFile(command[0] ?? "", command.slice(1), { timeout: 5_000, env: { PATH: path } }, (error) =>
      settle(error === null),
    );
  });
}

/**
 * Node's flags for a child: it may read the code and `tempDir`, write to `tempDir`, and neither spawn, nor
 * load native code, nor (unless it must watch its parent) start threads.
 * @throws Error as `modulePaths` does
 */
export function nodeFlags(options: {
  tempDir: string;
  customModules: readonly string[];
  closedPaths: readonly string[];
  oldSpaceMb: number;
  allowWorker: boolean;
}): string[] {
  const temp = realpathSync(options.tempDir);
  const readable = new Set([...codePaths(dirname(fileURLToPath(import.meta.url))), `${temp}/*`]);
  for (const module of options.customModules) {
    for (const path of modulePaths(module, options.closedPaths)) readable.add(path);
  }
  return [
    "--permission",
    ...[...readable].map((path) => `--allow-fs-read=${path}`),
    `--allow-fs-write=${temp}/*`,
    ...(options.allowWorker ? ["--allow-worker"] : []),
    `--max-old-space-size=${options.oldSpaceMb}`,
    "--no-warnings",
  ];
}
