import { execFile } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** How a child is started: `command args… node flags… script`. */
export interface Sandbox {
  /** Program and arguments before Node's own, empty where the platform has none of them. */
  prefix: readonly string[];
  /** The child has no network at all. */
  networkIsolated: boolean;
  /** The kernel kills the child when the worker dies. */
  diesWithParent: boolean;
}

// setpriv comes last: a change of credentials (unshare) would clear the death signal.
const DEATH_SIGNAL = ["setpriv", "--pdeathsig", "KILL", "--no-new-privs", "--"];
const CANDIDATES: readonly Sandbox[] = [
  { prefix: ["unshare", "-rn", "--", ...DEATH_SIGNAL], networkIsolated: true, diesWithParent: true },
  { prefix: ["unshare", "-n", "--", ...DEATH_SIGNAL], networkIsolated: true, diesWithParent: true },
  { prefix: ["unshare", "-rn", "--"], networkIsolated: true, diesWithParent: false },
  { prefix: DEATH_SIGNAL, networkIsolated: false, diesWithParent: true },
];
const NONE: Sandbox = { prefix: [], networkIsolated: false, diesWithParent: false };

/** The strongest isolation that this machine allows, found by trying it; takes a few milliseconds. */
export async function findSandbox(path: string): Promise<Sandbox> {
  if (process.platform !== "linux") return NONE;
  for (const candidate of CANDIDATES) {
    if (await runs([...candidate.prefix, "true"], path)) return candidate;
  }
  return NONE;
}

function runs(command: readonly string[], path: string): Promise<boolean> {
  return new Promise((settle) => {
    execFile(command[0] ?? "", command.slice(1), { timeout: 2_000, env: { PATH: path } }, (error) =>
      settle(error === null),
    );
  });
}

/**
 * Node's flags for a child: it may read the code and `tempDir`, write to `tempDir`, and neither spawn, nor
 * load native code, nor (unless it must watch its parent) start threads.
 */
export function nodeFlags(options: {
  tempDir: string;
  customModules: readonly string[];
  oldSpaceMb: number;
  allowWorker: boolean;
}): string[] {
  const temp = realpathSync(options.tempDir);
  const readable = new Set([...codePaths(dirname(fileURLToPath(import.meta.url))), `${temp}/*`]);
  for (const module of options.customModules) {
    const folder = dirname(realpathSync(resolve(module)));
    readable.add(`${folder}/*`);
    for (const path of codePaths(folder)) readable.add(path);
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

/** The package around `folder` (its code and package.json, not its data) and every node_modules it can see. */
function codePaths(folder: string): string[] {
  const paths: string[] = [];
  let inPackage = true;
  for (let at = folder; ; at = dirname(at)) {
    const modules = join(at, "node_modules");
    if (existsSync(modules)) paths.push(`${realpathSync(modules)}/*`);
    if (inPackage && existsSync(join(at, "src"))) paths.push(`${join(at, "src")}/*`);
    if (inPackage && existsSync(join(at, "package.json"))) {
      paths.push(join(at, "package.json"));
      inPackage = false;
    }
    if (dirname(at) === at) return paths;
  }
}
