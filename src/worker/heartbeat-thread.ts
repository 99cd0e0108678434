/**
 * Entry of the thread that renews leases: with a connection and timers of its own, so that nothing which keeps the main
 * thread busy, or holds it up, takes its jobs from it. It writes no log: a log that nobody takes holds up who writes it.
 */
import { parentPort, workerData } from "node:worker_threads";
import { openDatabase } from "../db/sql.ts";
import { createHeartbeats } from "../jobs/heartbeats.ts";
import { monotonicMs } from "../lib/clock.ts";
import { createBeatLoop } from "./beat-loop.ts";
import type { FromHeartbeat, HeartbeatSettings, ToHeartbeat } from "./heartbeat-protocol.ts";

const settings = workerData as HeartbeatSettings;
const { databaseUrl, applicationName, leaseMs, intervalMs } = settings;
const port = parentPort;
if (!port) throw new Error("this module is the entry of a thread");

// A statement without an answer is given up so early that there is time for others before the leases run out.
const statementTimeoutMs = Math.min(5_000, Math.max(500, Math.floor(leaseMs / 4)));
const db = openDatabase({
  url: databaseUrl,
  applicationName,
  maxConnections: 1,
  statementTimeoutMs,
  answerMarginMs: Math.min(2_000, statementTimeoutMs),
});
const tickMs = Math.min(1_000, intervalMs);
const pool = db.dedicated({ name: "heartbeat", max: 1, statementTimeoutMs });
const loop = createBeatLoop({
  ...settings,
  renew: createHeartbeats(pool, leaseMs).renew,
  tell: (message: FromHeartbeat) => port.postMessage(message),
  now: monotonicMs,
  tickMs,
});
const timer = setInterval(loop.tick, tickMs);

port.on("message", (message: ToHeartbeat) => {
  if (message.kind === "stop") void stop();
  else {
    loop.hear(message);
    loop.tick();
  }
});

async function stop(): Promise<void> {
  clearInterval(timer);
  await loop.settle();
  await db.close();
  port?.close();
}
