/** A worker whose stages a test can hold, over the same parts as the harness's. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_EXTRACT_LIMITS, type ExtractLimits } from "../../../src/extract/extractor.ts";
import type { DocumentsService } from "../../../src/jobs/documents/service.ts";
import type { Leases } from "../../../src/jobs/leases.ts";
import { monotonicMs } from "../../../src/lib/clock.ts";
import { newId } from "../../../src/lib/ids.ts";
import { createSecretBox } from "../../../src/lib/secret-box.ts";
import { createStageCatalogue } from "../../../src/stages/catalogue.ts";
import { createStagePool, type StageJob, type StagePool } from "../../../src/stages/host/pool.ts";
import type { ObjectStore } from "../../../src/storage/object-store.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createHttpStage } from "../../../src/worker/http-stage.ts";
import { createJobRunner } from "../../../src/worker/run-job.ts";
import { createWorker, type Worker } from "../../../src/worker/worker.ts";
import type { Harness } from "../../support/harness.ts";

export interface TestWorker extends AsyncDisposable {
  readonly worker: Worker;
  readonly pool: StagePool;
  /** Files and folders of attempts that lie in the worker's folder. */
  leftovers(): Promise<string[]>;
}

export interface TestWorkerOptions {
  concurrency?: number;
  graceMs?: number;
  heartbeatMs?: number;
  leases?: Leases;
  documents?: DocumentsService;
  id?: string;
  /** Where its heartbeats go. */
  databaseUrl?: string;
  store?: ObjectStore;
  /** Bounds on documents other than the usual ones. */
  limits?: Partial<ExtractLimits>;
  /** Called before a stage goes to its process; a rejection is the stage's. */
  beforeStage?: (stage: StageJob) => Promise<void>;
}

/** Rejects with the signal's reason when it fires; never resolves. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

export async function startTestWorker(h: Harness, options: TestWorkerOptions = {}): Promise<TestWorker> {
  const { concurrency = 2, graceMs = 5_000, heartbeatMs = 300, leases = h.leases, store = h.store } = options;
  const tempDir = await mkdtemp(join(tmpdir(), "sluice-test-worker-"));
  const logger = createLogger("silent");
  const real = createStagePool({
    size: concurrency,
    maxRssBytes: 1024 * 1024 * 1024,
    idleProgressTimeoutMs: 60_000,
    maxDocumentsPerProcess: 100,
    oldSpaceMb: 512,
    warmUp: false,
    tempDir,
    logger,
  });
  const pool: StagePool = {
    ...real,
    async run(stage) {
      await options.beforeStage?.(stage);
      return await real.run(stage);
    },
  };
  const common = { leases, logger, tempDir, random: Math.random };
  const runJob = createJobRunner({
    ...common,
    now: monotonicMs,
    documents: options.documents ?? h.documents,
    remote: h.remote,
    pool,
    runHttp: createHttpStage({ egress: h.egress, pool, now: Date.now }),
    store,
    passwords: createSecretBox(Buffer.alloc(32, 7), "document passwords"),
    secrets: createSecretBox(Buffer.alloc(32, 7), "pipeline secrets"),
    catalogue: createStageCatalogue(),
    metrics: h.metrics,
    limits: { ...DEFAULT_EXTRACT_LIMITS, ...options.limits },
    defaultTimeoutMs: 600_000,
    defaultStageTimeoutMs: 60_000,
  });
  const worker = createWorker({
    ...common,
    heartbeats: h.heartbeats,
    clock: h.clock,
    databaseUrl: options.databaseUrl ?? h.databaseUrl,
    bus: h.bus,
    pool,
    runJob,
    id: options.id ?? `test-${newId()}`,
    instance: newId(),
    host: "test",
    version: "test",
    pid: process.pid,
    concurrency,
    heartbeatMs,
    pollMs: 100,
    graceMs,
  });
  await worker.start();
  return {
    worker,
    pool,
    leftovers: async () => (await readdir(tempDir).catch(() => [])).filter((name) => name.startsWith("job-")),
    async [Symbol.asyncDispose]() {
      await worker.stop();
      await rm(tempDir, { recursive: true, force: true });
    },
  };
}
