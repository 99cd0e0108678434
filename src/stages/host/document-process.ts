import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { realpathSync } from "node:fs";
import { dirname, extname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { isBuiltInType } from "../catalogue.ts";
import type { CustomStageFacts } from "../custom/types.ts";
import { type ChildSettings, clip, type FromChild, type Task } from "./protocol.ts";
import { nodeFlags, type Sandbox } from "./sandbox.ts";

const READY_TIMEOUT_MS = 30_000;
const STDERR_TAIL_BYTES = 4_096;

export interface ProcessOptions {
  sandbox: Sandbox;
  tempDir: string;
  customModules: readonly string[];
  /** What holds keys and documents, and is closed to the modules although it may lie beside them. */
  closedPaths: readonly string[];
  oldSpaceMb: number;
  /** Loads what documents need while none is there. */
  warmUp: boolean;
  /** PATH, the only variable of the worker's environment that children see. */
  path: string;
}

/** One warm child. It serves one task at a time; whoever holds it listens through `onMessage` and `onExit`. */
export interface DocumentProcess {
  readonly pid: number;
  /** What the operator's modules have. */
  customStages: readonly CustomStageFacts[];
  /** Tasks it has been given. */
  tasks: number;
  /** True once it was given a stage of the operator's to run. */
  ranCustomStage: boolean;
  send(id: number, task: Task): void;
  onMessage: (message: FromChild) => void;
  onExit: (code: number | null, signal: string | null) => void;
  /** True until it has exited. */
  alive(): boolean;
  /** SIGKILL; resolves when it is gone. May be called again. */
  kill(): Promise<void>;
  stderrTail(): string;
}

/**
 * Starts a child and waits until it is ready for tasks.
 * @throws Error with what it wrote to standard error when it does not get ready within 30 s
 */
export async function startProcess(options: ProcessOptions): Promise<DocumentProcess> {
  const script = fileURLToPath(new URL(`./child${extname(import.meta.url)}`, import.meta.url));
  const watchParent = !options.sandbox.diesWithParent;
  const settings: ChildSettings = {
    customModules: options.customModules.map((module) => resolve(module)),
    watchParent,
    warmUp: options.warmUp,
    hiddenPaths: [realpathSync(options.tempDir), options.tempDir, resolve(dirname(script), "../../..")],
  };
  const command = [
    ...options.sandbox.prefix,
    process.execPath,
    ...nodeFlags({ ...options, allowWorker: watchParent }),
    script,
    JSON.stringify(settings),
  ];
  const child = spawn(command[0] ?? process.execPath, command.slice(1), {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    serialization: "advanced",
    // A session of its own: Ctrl-C in the worker's terminal is for the worker, which hands back what runs.
    detached: true,
    // TZ, so that dates come out the same on every machine.
    env: { PATH: options.path, TZ: "UTC" },
  });
  const tail = keepTail(child);
  const handle = wrap(child, tail);
  await ready(handle, child, tail, settings.customModules);
  return handle;
}

function wrap(child: ChildProcess, stderrTail: () => string): DocumentProcess {
  let alive = child.pid !== undefined;
  // "exit", not "close": a grandchild that keeps stderr open must not hold a dead child up.
  const gone = alive ? once(child, "exit").then(() => {}) : Promise.resolve();
  const handle: DocumentProcess = {
    pid: child.pid ?? 0,
    customStages: [],
    tasks: 0,
    ranCustomStage: false,
    send(id, task) {
      handle.tasks++;
      if (task.kind === "run" && !isBuiltInType(task.stageType)) handle.ranCustomStage = true;
      // A failed send means that the child is gone; its exit event tells the rest.
      child.send({ id, task }, () => {});
    },
    onMessage: () => {},
    onExit: () => {},
    alive: () => alive,
    async kill() {
      if (alive) child.kill("SIGKILL");
      await gone;
    },
    stderrTail,
  };
  child.on("message", (message) => handle.onMessage(message as FromChild));
  child.on("exit", (code, signal) => {
    alive = false;
    handle.onExit(code, signal);
  });
  return handle;
}

function ready(
  handle: DocumentProcess,
  child: ChildProcess,
  tail: () => string,
  modules: readonly string[],
): Promise<void> {
  const loaded = modules.length > 0 ? ` It loads ${modules.join(", ")}.` : "";
  return new Promise((settle, fail) => {
    const end = (error?: Error) => {
      clearTimeout(timer);
      handle.onMessage = () => {};
      handle.onExit = () => {};
      if (error === undefined) return settle();
      void handle.kill().then(() => fail(error));
    };
    const timer = setTimeout(
      () =>
        end(
          new Error(
            `A document process was not ready after ${READY_TIMEOUT_MS / 1_000} s.${loaded} ${tail()}`,
          ),
        ),
      READY_TIMEOUT_MS,
    );
    child.on("error", (error) => end(new Error(`A document process could not be started: ${error.message}`)));
    handle.onMessage = (message) => {
      if (message.kind === "ready") {
        handle.customStages = message.customStages;
        end();
      }
      if (message.kind === "start_failed") end(new Error(clip(String(message.message), 2_000)));
    };
    handle.onExit = (code, signal) =>
      end(
        new Error(
          `A document process ended while starting (${signal ?? `exit code ${code}`}).${loaded} ${tail()}`,
        ),
      );
  });
}

function keepTail(child: ChildProcess): () => string {
  let tail = Buffer.alloc(0);
  child.stderr?.on("data", (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-STDERR_TAIL_BYTES);
  });
  return () => tail.toString("utf8").trim();
}
