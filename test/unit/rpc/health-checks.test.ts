import { expect, onTestFinished, test, vi } from "vitest";
import { runHealthChecks } from "../../../src/rpc/health-checks.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { createWorker, type WorkerDeps } from "../../../src/worker/worker.ts";

const errorOf = async (check: () => Promise<void>) =>
  (await runHealthChecks([{ name: "part", critical: true, check }])).checks.part?.error;

test("a worker whose claim loop has stalled is reported in its own sentence", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const worker = createWorker({
    logger: createLogger("silent"),
    concurrency: 1,
    leases: { leaseMs: 30_000 },
  } as unknown as WorkerDeps);
  expect(await errorOf(async () => worker.check())).toBeUndefined();
  vi.advanceTimersByTime(31_000);
  expect(await errorOf(async () => worker.check())).toBe("the claim loop has not completed a round for 31 s");
});

test("the sentence of a driver, which may hold addresses and names, does not go out", async () => {
  const error = await errorOf(() => Promise.reject(new Error("connect ECONNREFUSED 10.0.0.7 as sluice")));
  expect(error).toBe("part does not answer");
});
