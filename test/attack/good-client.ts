import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Target } from "./target.ts";

const LOOK_MS = 250;
const MIB = 1024 * 1024;
const PROGRAM = new URL("good-client-program.ts", import.meta.url);

/** What a client that behaves well has seen, and what the server's process had. */
export interface Measured {
  readonly calls: number;
  readonly failed: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Most that the process had, in MiB; null if it is not of this machine. */
  readonly rssMib: number | null;
}

export interface GoodClient {
  /** Ends it, and tells what it has seen. */
  stop(): Promise<Measured>;
}

/** Lets a client ask for a job all the time, once it has had its first answer, and looks at the server's memory. */
export async function startGoodClient(target: Target): Promise<GoodClient> {
  const { accessToken, client } = target.alice;
  const { job } = await client.jobs.createJob({ source: { case: "text", value: "steady" } });
  const child = fork(PROGRAM, [JSON.stringify({ url: target.url, accessToken, id: job?.id })]);
  const next = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      child.once("message", resolve);
      child.once("exit", (code) => reject(new Error(`the client ended with ${code}`)));
    });
  await next();
  let rssMib = rssOf(target);
  const timer = setInterval(() => {
    rssMib = Math.max(rssMib ?? 0, rssOf(target) ?? 0) || null;
  }, LOOK_MS);
  return {
    async stop() {
      clearInterval(timer);
      const answer = next();
      child.send("stop");
      const { took, failed } = (await answer) as { took: number[]; failed: number };
      took.sort((a, b) => a - b);
      const at = (share: number): number => took[Math.floor(share * (took.length - 1))] ?? 0;
      return { calls: took.length, failed, p50: at(0.5), p99: at(0.99), rssMib };
    },
  };
}

/** Resident memory of the server's process, in MiB; Linux only. */
function rssOf({ own }: Target): number | null {
  if (!own || process.platform !== "linux") return null;
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${own.server.pid}/status`, "utf8"))?.[1];
  return kib === undefined ? null : (Number(kib) * 1024) / MIB;
}
