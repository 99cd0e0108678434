import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startFailure } from "../database.ts";
import { createHeartbeats } from "../jobs/heartbeats.ts";
import { type Cleanup, createCleanup } from "../lib/cleanup.ts";
import { monotonicMs } from "../lib/clock.ts";
import { createSecretBox } from "../lib/secret-box.ts";
import { createStagePool } from "../stages/host/pool.ts";
import { VERSION } from "../version.ts";
import { createHttpStage } from "../worker/http-stage.ts";
import { removeLeftovers } from "../worker/leftovers.ts";
import { createJobRunner } from "../worker/run-job.ts";
import { createWorker, type Worker } from "../worker/worker.ts";
import { type Core, failureOf, PIPELINE_SECRETS, startCore } from "./core.ts";
import { closedPaths } from "./custom-stages.ts";
import { startWorkerHealth } from "./health.ts";
import type { Running, StartOptions } from "./start.ts";

const DEFAULT_JOB_TIMEOUT_MS = 60 * 60_000;
const DEFAULT_STAGE_TIMEOUT_MS = 10 * 60_000;
const POLL_MS = 1_000;

/** Starts a worker alone. It needs a migrated database, and shares folders or object store with the servers. */
export async function startWorkerProcess(options: StartOptions): Promise<Running> {
  const cleanup = createCleanup(options.logger);
  try {
    const core = await startCore(options, "worker", cleanup);
    const worker = await startWorker(core, options.stages ?? [], cleanup);
    await startWorkerHealth(core, worker, cleanup);
    return { failed: Promise.race([failureOf(core), worker.displaced]), stop: () => cleanup.run() };
  } catch (error) {
    await cleanup.run();
    throw await startFailure(error, options.database);
  }
}

/** Starts a worker with its document processes, in a folder of its own for temporary files. */
export async function startWorker(core: Core, modules: readonly string[], cleanup: Cleanup): Promise<Worker> {
  const { config, logger, metrics, leases, documents, store } = core;
  const folder = join(config.dataDir, "tmp");
  await removeLeftovers(folder);
  const tempDir = join(folder, `${process.pid}-${core.processId.slice(-6)}`);
  await mkdir(tempDir, { recursive: true, mode: 0o700 });
  const pool = createStagePool({
    size: config.workerConcurrency,
    maxRssBytes: config.parserMemoryBytes,
    idleProgressTimeoutMs: config.parserSilenceMs,
    maxDocumentsPerProcess: 200,
    oldSpaceMb: Math.floor(config.parserMemoryBytes / 1024 / 1024 / 2),
    customModules: modules,
    closedPaths: closedPaths(config),
    warmUp: true,
    tempDir,
    path: config.path,
    logger,
  });
  const runJob = createJobRunner({
    leases,
    documents,
    remote: core.remote,
    pool,
    runHttp: createHttpStage({ egress: core.egress, pool, now: core.clock.now }),
    store,
    passwords: createSecretBox(core.masterKey, "document passwords"),
    secrets: createSecretBox(core.masterKey, PIPELINE_SECRETS),
    catalogue: core.catalogue,
    metrics,
    logger,
    tempDir,
    limits: config.limits,
    defaultTimeoutMs: DEFAULT_JOB_TIMEOUT_MS,
    defaultStageTimeoutMs: DEFAULT_STAGE_TIMEOUT_MS,
    now: monotonicMs,
    random: Math.random,
  });
  const worker = createWorker({
    leases,
    heartbeats: createHeartbeats(core.db, config.leaseMs),
    bus: core.bus,
    pool,
    runJob,
    logger,
    id: config.workerId ?? core.processId,
    instance: randomUUID(),
    host: config.hostname,
    version: VERSION,
    pid: process.pid,
    concurrency: config.workerConcurrency,
    // Workers count as alive for 30 s after a heartbeat, however long their leases are.
    heartbeatMs: Math.min(10_000, Math.floor(config.leaseMs / 3)),
    databaseUrl: core.databaseUrl,
    pollMs: POLL_MS,
    graceMs: config.graceMs,
    tempDir,
    clock: core.clock,
    random: Math.random,
  });
  await worker.start();
  cleanup.add("worker", () => worker.stop());
  return worker;
}
