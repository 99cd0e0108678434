import { readFileSync } from "node:fs";
import type { Target } from "./target.ts";

const EVERY_MS = 50;
const MIB = 1024 * 1024;

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

/** Asks for a job every 50 ms, whether or not the answer before has come, and looks at the server's memory. */
export async function measure(target: Target, signal: AbortSignal): Promise<Measured> {
  const { client } = target.alice;
  const { job } = await client.jobs.createJob({ source: { case: "text", value: "steady" } });
  const id = job?.id ?? "";
  const took: number[] = [];
  let failed = 0;
  let rss: number | null = null;
  const pending = new Set<Promise<void>>();
  const timer = setInterval(() => {
    const began = performance.now();
    const one = client.jobs
      .getJob({ id }, { timeoutMs: 10_000 })
      .then(
        () => {},
        () => {
          failed++;
        },
      )
      .then(() => {
        took.push(performance.now() - began);
        pending.delete(one);
      });
    pending.add(one);
    rss = Math.max(rss ?? 0, rssOf(target) ?? 0) || null;
  }, EVERY_MS);
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  clearInterval(timer);
  await Promise.all(pending);
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.floor(share * (took.length - 1))] ?? 0;
  return { calls: took.length, failed, p50: at(0.5), p99: at(0.99), rssMib: rss };
}

/** Resident memory of the server's process, in MiB; Linux only. */
function rssOf({ own }: Target): number | null {
  if (!own || process.platform !== "linux") return null;
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${own.server.pid}/status`, "utf8"))?.[1];
  return kib === undefined ? null : (Number(kib) * 1024) / MIB;
}
