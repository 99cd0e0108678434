import { type ChildProcess, spawn } from "node:child_process";
import { open, readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Installation } from "./choose.ts";
import { PostgresStartError } from "./errors.ts";
import { readPidFile } from "./orphans.ts";
import { cleanEnv } from "./run.ts";

const POLL_MS = 4;
/** Recovery after a crash replays at most `max_wal_size`; this is far more than that takes. */
const START_MS = 300_000;
const PORT_TRIES = 5;
const FAST_STOP_MS = 15_000;
const QUICK_STOP_MS = 5_000;

/** A server that accepts connections. */
export interface RunningServer {
  readonly pid: number;
  readonly port: number;
  /** Settles when the server has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** Fast shutdown; after 15 s an immediate one (its data survives), after 5 more SIGKILL. */
  stop(): Promise<void>;
}

/** Starts `postgres` on a free port of 127.0.0.1, or on the one that is given, and waits until it accepts connections. */
export async function startServer(
  server: Installation,
  dataDir: string,
  fixedPort?: number,
): Promise<RunningServer> {
  const pgdata = join(dataDir, "pgdata");
  for (let attempt = 1; ; attempt++) {
    const port = fixedPort ?? (await freePort());
    const child = await launch(server, dataDir, pgdata, port);
    const exited = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    const pid = await whenReady(child, pgdata, port, server.identity.watchesStdin);
    if (pid !== null) {
      detach(child);
      return { pid, port, exited, stop: () => stop(child, pid, exited) };
    }
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      throw new PostgresStartError("it was not ready in time", await lastWords(dataDir), dataDir);
    }
    const detail = await lastWords(dataDir);
    // Someone took the port between our look and the server's.
    if (attempt < PORT_TRIES && /Address already in use/.test(detail)) continue;
    throw new PostgresStartError(`it ended with ${child.exitCode ?? child.signalCode}`, detail, dataDir);
  }
}

async function launch(
  server: Installation,
  dataDir: string,
  pgdata: string,
  port: number,
): Promise<ChildProcess> {
  const log = await open(join(dataDir, "startup.log"), "w", 0o600);
  const argv = [join(server.binDir, "postgres"), "-D", pgdata, ...settings(port).flatMap((s) => ["-c", s])];
  const [command = "", ...args] = server.identity.wrapServer(argv);
  try {
    return spawn(command, args, {
      cwd: "/",
      env: cleanEnv,
      stdio: [server.identity.watchesStdin ? "pipe" : "ignore", log.fd, log.fd],
      // Its own session: Ctrl-C in a terminal goes to us alone, and we decide when the server may end.
      detached: true,
    });
  } finally {
    await log.close();
  }
}

function settings(port: number): string[] {
  return [
    "listen_addresses=127.0.0.1",
    `port=${port}`,
    "unix_socket_directories=",
    "max_connections=100",
    "shared_buffers=128MB",
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    // One file for each day of the week, emptied when its day comes again; no statements and no values of rows.
    "logging_collector=on",
    "log_filename=postgres-%a.log",
    "log_truncate_on_rotation=on",
    "log_rotation_size=0",
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
  ];
}

async function whenReady(
  child: ChildProcess,
  pgdata: string,
  port: number,
  behindShell: boolean,
): Promise<number | null> {
  const deadline = performance.now() + START_MS;
  let ended = false;
  child.once("exit", () => {
    ended = true;
  });
  child.once("error", () => {
    ended = true;
  });
  while (!ended && performance.now() < deadline) {
    const file = await readPidFile(pgdata);
    // Port and id tell this start's file from one that a crash left behind.
    const ours = file?.port === port && (behindShell || file.pid === child.pid);
    if (ours && file.status === "ready") return file.pid;
    await sleep(POLL_MS);
  }
  return null;
}

/** Our process may end although the server runs; the server then ends too. */
function detach(child: ChildProcess): void {
  child.unref();
  if (child.stdin && "unref" in child.stdin) (child.stdin as unknown as { unref(): void }).unref();
}

async function stop(child: ChildProcess, pid: number, exited: Promise<void>): Promise<void> {
  child.ref();
  const steps = [
    ["SIGINT", FAST_STOP_MS],
    ["SIGQUIT", QUICK_STOP_MS],
    ["SIGKILL", QUICK_STOP_MS],
  ] as const;
  for (const [signal, waitMs] of steps) {
    if (child.exitCode !== null || child.signalCode !== null) return;
    process.kill(pid, signal);
    const timer = new AbortController();
    const late = sleep(waitMs, true, { signal: timer.signal }).catch(() => true);
    const isLate = await Promise.race([exited.then(() => false), late]);
    timer.abort();
    if (!isLate) return;
  }
}

async function lastWords(dataDir: string): Promise<string> {
  const logDir = join(dataDir, "pgdata/log");
  const logs = await readdir(logDir).catch(() => []);
  const today = new Date().toUTCString().slice(0, 3);
  const files = [
    join(dataDir, "startup.log"),
    ...logs.filter((n) => n.includes(today)).map((n) => join(logDir, n)),
  ];
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  return texts
    .map((text) => text.trim().slice(-1_000))
    .join("\n")
    .trim();
}

async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
