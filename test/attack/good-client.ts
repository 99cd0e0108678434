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

/** Lets a client ask for a job all the time, and looks at the server's memory, until the signal aborts. */
export async function measure(target: Target, signal: AbortSignal): Promise<Measured> {
  const { accessToken, client } = target.alice;
  const { job } = await client.jobs.createJob({ source: { case: "text", value: "steady" } });
  const child = fork(PROGRAM, [JSON.stringify({ url: target.url, accessToken, id: job?.id })]);
  const answer = new Promise<{ took: number[]; failed: number }>((resolve, reject) => {
    child.once("message", resolve as (message: unknown) => void);
    child.once("exit", (code) => reject(new Error(`the client ended with ${code}`)));
  });
  let rssMib: number | null = null;
  const timer = setInterval(() => {
    rssMib = Math.max(rssMib ?? 0, rssOf(target) ?? 0) || null;
  }, LOOK_MS);
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  clearInterval(timer);
  child.send("stop");
  const { took, failed } = await answer;
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.floor(share * (took.length - 1))] ?? 0;
  return { calls: took.length, failed, p50: at(0.5), p99: at(0.99), rssMib };
}

/** Resident memory of the server's process, in MiB; Linux only. */
function rssOf({ own }: Target): number | null {
  if (!own || process.platform !== "linux") return null;
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${own.server.pid}/status`, "utf8"))?.[1];
  return kib === undefined ? null : (Number(kib) * 1024) / MIB;
}
