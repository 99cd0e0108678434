import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./ports.ts";
import { findRedis, onPath, type RedisBinary } from "./redis-binary.ts";

/** A Redis server of one test; it ends with the test's process at the latest. */
export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
  /** `kill -9`; what it had not written to its append-only file is lost. */
  kill(): Promise<void>;
  /** Lets it answer nothing until `thaw`; its connections stay open. */
  freeze(): void;
  thaw(): void;
  /** Ends it if it runs, and starts it again on the same port and folder. */
  restart(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const READY_MS = 10_000;

/**
 * Starts a real server on a free port of 127.0.0.1, or on `port`. It keeps nothing on disk unless `args` say so, e.g.
 * `["--appendonly", "yes"]`.
 */
export async function startTestRedis(
  options: { args?: readonly string[]; port?: number } = {},
): Promise<TestRedis> {
  const binary = await findRedis();
  const folder = await mkdtemp(join(tmpdir(), "sluice-test-redis-"));
  const port = options.port ?? (await freePort());
  const fixed = [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--dir",
    folder,
    "--save",
    "",
    "--daemonize",
    "no",
  ];
  const args = [...fixed, ...(options.args ?? [])];
  let child = await start(binary, args, port);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await exited;
  };
  const stop = async (): Promise<void> => {
    await end("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    stop,
    kill: () => end("SIGKILL"),
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
    async restart() {
      await end("SIGTERM");
      child = await start(binary, args, port);
    },
    [Symbol.asyncDispose]: stop,
  };
}

async function start(binary: RedisBinary, args: readonly string[], port: number): Promise<ChildProcess> {
  const guard = onPath("setpriv") ? ["setpriv", "--pdeathsig", "KILL", "--"] : [];
  const [command = "", ...rest] = [...guard, binary.command, ...args];
  const child = spawn(command, rest, {
    env: { ...process.env, ...binary.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4_000);
    });
  }
  const endChild = (): void => void child.kill("SIGKILL");
  process.once("exit", endChild);
  child.once("exit", () => process.removeListener("exit", endChild));
  child.once("error", (error) => {
    output += error.message;
  });
  const deadline = performance.now() + READY_MS;
  while (!(await answersPing(port))) {
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`redis-server did not start on port ${port}: ${output}`);
    }
    await sleep(5);
  }
  return child;
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    socket.setTimeout(1_000, () => socket.destroy());
    // An error before the answer, e.g. LOADING, means: not yet.
    socket.once("data", (data) => {
      resolve(data.toString().startsWith("+PONG") || data.toString().startsWith("-NOAUTH"));
      socket.destroy();
    });
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
}
