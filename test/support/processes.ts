import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createSluice, type Sluice, type SluiceOptions } from "@sluice/sdk";
import { freePort } from "./ports.ts";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const isRoot = process.getuid?.() === 0;
const NOBODY = 65534;
const OUTPUT_CHARS = 1_000_000;
const TAIL_CHARS = 4_000;
const START_MS = 60_000;
const END_MS = 60_000;

/** A process of the program. */
export interface Program {
  readonly pid: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Null while it runs; a signal counts as 128 and its number, as shells have it. */
  readonly code: number | null;
  /** Waits until stdout contains it. @throws with the output when the process ends before, or after a minute */
  says(text: string | RegExp): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Sends the signal to every process that it has started too, as a terminal does. */
  killGroup(signal: NodeJS.Signals): void;
  /** Its exit code. @throws with the output when it still runs after a minute */
  exit(): Promise<number>;
}

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SiteOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Run everything as somebody without rights; only root can ask for it. */
  readonly asNobody?: boolean;
  /** A copy of the checkout to run instead of this one. */
  readonly checkout?: string;
  /** The Node that runs it. */
  readonly node?: string;
}

/** A place for one server and its workers: a data folder of its own and a port that nothing else uses. */
export interface Site extends AsyncDisposable {
  readonly folder: string;
  readonly dataDir: string;
  readonly port: number;
  readonly url: string;
  /** Starts `sluice <args>`. */
  start(args: readonly string[], env?: Readonly<Record<string, string>>): Program;
  /** Starts `sluice serve <args>` and waits until it is ready. */
  serve(...args: string[]): Promise<Program>;
  /** Starts `sluice worker` and waits until it works. */
  worker(): Promise<Program>;
  /** Runs `sluice <args>` to its end. */
  run(...args: string[]): Promise<Finished>;
  /** The key that the server made for the owner of the data folder. */
  apiKey(): string;
  /** A client with that key; closed with the site. */
  client(options?: Partial<SluiceOptions>): Sluice;
  /** Where the database of the running server is. */
  databaseUrl(): string;
}

/** Those that were started and not forgotten; `show-output.ts` shows them when a test has failed. */
export const programs = new Set<Program>();

/** For programs that no test framework ends: whatever was started ends with this process, also when that is interrupted. */
export function endProgramsWithUs(): void {
  process.once("exit", () => {
    for (const program of programs) program.kill("SIGKILL");
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
}

/** Starts a program whose output is kept; whoever starts it ends it. */
export function startProcess(
  command: readonly string[],
  options: { env?: Readonly<Record<string, string>>; cwd?: string } = {},
): Program {
  const [file = "", ...args] = command;
  const { PATH = "", HOME = "/", TMPDIR } = process.env;
  const child = spawn(file, args, {
    cwd: options.cwd ?? ROOT,
    // Nothing of the settings of whoever runs the tests; a process group of its own.
    env: { PATH, HOME, ...(TMPDIR ? { TMPDIR } : {}), ...options.env },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const program = watch(child, args.slice(-3).join(" "));
  programs.add(program);
  return program;
}

function watch(child: ChildProcess, name: string): Program & { readonly name: string } {
  const kept = { stdout: "", stderr: "" };
  let code: number | null = null;
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("utf8").on("data", (text: string) => {
      kept[stream] = (kept[stream] + text).slice(-OUTPUT_CHARS);
    });
  }
  child.once("error", (error) => {
    kept.stderr += error.message;
    code = 127;
  });
  // "close" comes when the output is complete, "exit" may come before.
  child.once("close", (exitCode, signal) => {
    code = exitCode ?? 128 + (signal === "SIGKILL" ? 9 : signal === "SIGTERM" ? 15 : 2);
  });
  const pid = child.pid ?? 0;
  const program = {
    name,
    pid,
    get stdout() {
      return kept.stdout;
    },
    get stderr() {
      return kept.stderr;
    },
    get code() {
      return code;
    },
    async says(text: string | RegExp) {
      const found = () => (typeof text === "string" ? kept.stdout.includes(text) : text.test(kept.stdout));
      await eventually(
        () => found() || code !== null,
        () => `${name} did not say ${text}\n${outputOf(program)}`,
        START_MS,
      );
      if (!found()) throw new Error(`ended before it said ${text}\n${outputOf(program)}`);
    },
    kill(signal: NodeJS.Signals) {
      if (code === null && pid > 0) child.kill(signal);
    },
    killGroup(signal: NodeJS.Signals) {
      if (code === null && pid > 0) process.kill(-pid, signal);
    },
    async exit() {
      await eventually(
        () => code !== null,
        () => `did not end\n${outputOf(program)}`,
        END_MS,
      );
      return code ?? -1;
    },
  };
  return program;
}

/** Its state and the ends of what it has written. */
export function outputOf(program: Program & { readonly name?: string }): string {
  const state = program.code === null ? "still running" : `exit code ${program.code}`;
  const { stdout, stderr } = program;
  return `── ${program.name} (pid ${program.pid}, ${state})\n${stdout.slice(-TAIL_CHARS)}\n${stderr.slice(-TAIL_CHARS)}`;
}

/** Waits for a condition. @throws with `what` if it does not come in time */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  timeoutMs = 30_000,
): Promise<void> {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      if (await condition()) return;
    } catch (error) {
      failure = error;
    }
    if (performance.now() >= endsAt)
      throw failure ?? new Error(typeof what === "string" ? `not in time: ${what}` : what());
    await sleep(25);
  }
}

/** Command lines of the processes that name the folder: servers, workers, their helpers and their database. */
export function processesOf(folder: string): string[] {
  if (process.platform !== "linux") {
    const all = execFileSync("ps", ["-axww", "-o", "args="], { encoding: "utf8" });
    return all.split("\n").filter((line) => line.includes(folder));
  }
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      } catch {
        return "";
      }
    })
    .filter((line) => line.includes(folder));
}

/** Ids of the document processes that a worker has started; Linux only. */
export function documentProcessesOf(workerPid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
        return (
          Number(parent) === workerPid &&
          readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("stages/host/child")
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Waits until no process names the folder any more. */
export async function nothingRuns(folder: string): Promise<void> {
  await eventually(
    () => processesOf(folder).length === 0,
    () => `still running:\n${processesOf(folder).join("\n")}`,
  );
}

/** The command that turns root into a user who owns nothing; empty where that is neither possible nor needed. */
function nobodyPrefix(): string[] {
  return isRoot ? ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--"] : [];
}

export function giveToNobody(path: string): void {
  if (isRoot) chownSync(path, NOBODY, NOBODY);
}

/** True when a user without rights can run what lies in this checkout. */
export function nobodyCanRun(): boolean {
  const [command = "true", ...args] = nobodyPrefix();
  const readable = ["test", "-r", join(ROOT, "src/main.ts"), "-a", "-x", process.execPath];
  return spawnSync(command, [...args, ...readable]).status === 0;
}

/** The folder lies in one that only its owner may enter, and has a space in its name. */
export async function createSite(options: SiteOptions = {}): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), "sluice e2e "));
  const dataDir = join(folder, "data of this test");
  if (options.asNobody) giveToNobody(folder);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const checkout = options.checkout ?? ROOT;
  const own: Program[] = [];
  const clients: Sluice[] = [];
  const settings = {
    SLUICE_DATA_DIR: dataDir,
    SLUICE_ADDR: `127.0.0.1:${port}`,
    XDG_CONFIG_HOME: join(folder, "config"),
    ...options.env,
  };
  const start: Site["start"] = (args, env) => {
    const prefix = options.asNobody ? nobodyPrefix() : [];
    const node = options.node ?? process.execPath;
    const command = [...prefix, node, join(checkout, "src/sluice.mjs"), ...args];
    const program = startProcess(command, { env: { ...settings, ...env }, cwd: folder });
    own.push(program);
    return program;
  };
  const apiKey = () => readFileSync(join(dataDir, "local-api-key"), "utf8").trim();
  return {
    folder,
    dataDir,
    port,
    url,
    start,
    apiKey,
    async serve(...args) {
      const program = start(["serve", ...args]);
      await program.says("Sluice is ready at");
      return program;
    },
    async worker() {
      const program = start(["worker"]);
      await program.says("Sluice worker runs");
      return program;
    },
    async run(...args) {
      const program = start(args);
      const code = await program.exit();
      return { code, stdout: program.stdout, stderr: program.stderr };
    },
    client(more = {}) {
      const client = createSluice({ url, apiKey: apiKey(), ...more });
      clients.push(client);
      return client;
    },
    databaseUrl: () =>
      (JSON.parse(readFileSync(join(dataDir, "server.json"), "utf8")) as { databaseUrl: string }).databaseUrl,
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.close();
      for (const program of own) program.kill("SIGKILL");
      for (const program of own) await program.exit();
      await nothingRuns(folder);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Writes a file into the folder of a site and returns its path. */
export function writeInto(site: Site, name: string, content: string | Uint8Array): string {
  mkdirSync(join(site.folder, "documents"), { recursive: true });
  const path = join(site.folder, "documents", name);
  writeFileSync(path, content);
  return path;
}

/** A text that keeps a worker busy: about four seconds a mebibyte on a small machine. */
export function longText(bytes: number): string {
  const paragraphs: string[] = [];
  for (let length = 0, n = 0; length < bytes; n++) {
    const text = `Paragraph ${n} tells of the river, the mill and the people who lived there in the year ${n}.\n\n`;
    paragraphs.push(text);
    length += text.length;
  }
  return paragraphs.join("");
}
