import { UnauthenticatedError } from "../auth/errors.ts";
import type { Cleanup } from "../lib/cleanup.ts";
import type { HealthCheck } from "../rpc/health-checks.ts";
import { createRpcServer } from "../rpc/server.ts";
import { VERSION } from "../version.ts";
import type { Worker } from "../worker/worker.ts";
import type { Core } from "./core.ts";

/** What health asks of servers and workers; `workers` rejects when there is none that works. */
export function checksOf(core: Core, workers: () => Promise<void>): HealthCheck[] {
  return [
    { name: "database", critical: true, check: () => core.db.ping(2_000) },
    ...(core.config.redisUrls ? [{ name: "redis", critical: false, check: () => core.queue.check() }] : []),
    { name: "storage", critical: true, check: () => core.store.check() },
    { name: "workers", critical: false, check: workers },
  ];
}

/** Health and metrics of a worker process; it serves no calls. */
export async function startWorkerHealth(core: Core, worker: Worker, cleanup: Cleanup): Promise<void> {
  const { config, logger, metrics } = core;
  if (!config.workerAddress) return;
  const checks = checksOf(core, async () => worker.check()).map((check) =>
    check.name === "workers" ? { ...check, critical: true } : check,
  );
  const server = createRpcServer({
    addr: config.workerAddress,
    services: [],
    authenticate: () => Promise.reject(new UnauthenticatedError()),
    checks,
    version: VERSION,
    logger,
    metrics,
  });
  await server.start();
  cleanup.add("health", () => server.stop(0));
}
