import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../../src/db/embedded.ts";

/** A Postgres that can stand still as a whole, as one does whose disk has stopped. */
export interface PausablePostgres extends AsyncDisposable {
  readonly url: string;
  pause(): void;
  resume(): void;
}

export async function startPausablePostgres(): Promise<PausablePostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), "sluice-pausable-pg-"));
  const server = await startEmbeddedPostgres({ dataDir });
  const signal = (name: NodeJS.Signals): void => {
    // The server before its children: while it stands still it has no new ones.
    send(server.pid, name);
    const all = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" })
      .split("\n")
      .map((line) => line.trim().split(/\s+/).map(Number));
    for (const [pid = 0, parent] of all) if (parent === server.pid) send(pid, name);
  };
  const resume = (): void => signal("SIGCONT");
  // One that stands still would outlive this process: it does not see that its owner has ended.
  process.once("exit", resume);
  return {
    url: server.url,
    pause: () => signal("SIGSTOP"),
    resume,
    async [Symbol.asyncDispose]() {
      resume();
      await server.stop();
      process.off("exit", resume);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** To a process that may have ended since it was seen. */
function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
