import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { createSystemService } from "../../../src/system/service.ts";
import { createHarness, type Harness, textRequest } from "../../support/harness.ts";
import { claimOne, completedJob, createJob, failedJob } from "../jobs/steps.ts";

const facts = {
  version: "test",
  features: [],
  startTime: new Date(),
  maxMessageBytes: 1,
  maxDocumentBytes: 1,
  maxInlineResultBytes: 1,
  maxBatchSize: 1,
  maxPageSize: 1,
  maxPages: 1,
  maxJobTimeoutMs: 1,
  resultRetentionMs: null,
};
const systemOf = ({ db, queue, metrics }: Harness) =>
  createSystemService({ db, queue, metrics, audit: createAuditor(), facts, now: Date.now });

async function beat(h: Harness, id: string): Promise<void> {
  await h.heartbeats.renew(
    { id, host: "h", version: "v", pid: 1, concurrency: 2, running: 1, draining: false },
    [],
  );
}

test("an empty queue is empty in every priority and every window", async () => {
  await using h = await createHarness();
  const { depths, ended, workers } = await systemOf(h).queueStats();
  const none = { waiting: 0, delayed: 0, leased: 0, oldestSeconds: null };
  expect(depths).toEqual([0, 1, 2].map((priority) => ({ priority, ...none })));
  expect(ended).toEqual(
    [60, 300, 900].map((windowSeconds) => ({ windowSeconds, completed: 0, failed: 0, cancelled: 0 })),
  );
  expect(workers).toBe(0);
});

test("the stats count what waits, is delayed, is leased and has ended, each in its place, and the gauges follow", async () => {
  await using h = await createHarness();
  const long = await completedJob(h);
  const middle = await failedJob(h);
  await h.db.sql`update jobs set ended_at = now() - interval '10 minutes' where id = ${long}`;
  await h.db.sql`update jobs set ended_at = now() - interval '2 minutes' where id = ${middle}`;
  await h.jobs.cancel(h.admin, await createJob(h), "");
  await createJob(h);
  await claimOne(h);
  await h.jobs.create(h.admin, textRequest("x", { priority: "HIGH" }));
  const { job: old } = await h.jobs.create(h.admin, textRequest("x", { priority: "LOW" }));
  await h.db.sql`update jobs set run_time = now() - interval '90 seconds' where id = ${old.id}`;
  await h.jobs.create(h.admin, textRequest("x", { priority: "LOW", runTime: new Date(Date.now() + 60_000) }));
  const system = systemOf(h);
  const { depths, ended } = await system.queueStats();
  expect(depths).toMatchObject([
    { waiting: 1, delayed: 0, leased: 0 },
    { waiting: 0, delayed: 0, leased: 1, oldestSeconds: null },
    { waiting: 1, delayed: 1, leased: 0 },
  ]);
  expect(depths[2]?.oldestSeconds).toBeGreaterThanOrEqual(90);
  expect(ended).toEqual([
    { windowSeconds: 60, completed: 0, failed: 0, cancelled: 1 },
    { windowSeconds: 300, completed: 0, failed: 1, cancelled: 1 },
    { windowSeconds: 900, completed: 1, failed: 1, cancelled: 1 },
  ]);
  await system.refreshGauges();
  const { values } = await h.metrics.queueDepth.get();
  expect(values).toContainEqual({ value: 1, labels: { priority: "LOW", state: "delayed" } });
});

test("a walk through the workers sees each once, those of the last hour, with those alive marked", async () => {
  await using h = await createHarness();
  const ids = Array.from({ length: 7 }, (_, i) => `worker-${i}`);
  for (const id of ids) await beat(h, id);
  await h.db.sql`update workers set heartbeat_at = now() - interval '31 seconds' where id = 'worker-3'`;
  await h.db.sql`update workers set heartbeat_at = now() - interval '61 minutes' where id = 'worker-5'`;
  const system = systemOf(h);
  const seen: string[] = [];
  let afterId: string | null = null;
  do {
    const page = await system.workers({ limit: 2, afterId });
    seen.push(...page.map(({ id, alive }) => `${id} ${alive}`));
    afterId = page.length === 2 ? (page.at(-1)?.id ?? null) : null;
  } while (afterId);
  const expected = ids.filter((id) => id !== "worker-5").map((id) => `${id} ${id !== "worker-3"}`);
  expect(seen).toEqual(expected);
  expect((await system.queueStats()).workers).toBe(5);
  await h.leases.sweep();
  const [gone] = await h.db.sql`select from workers where id = 'worker-5'`;
  expect(gone).toBeUndefined();
});

test("the check of workers fails as long as none is alive", async () => {
  await using h = await createHarness();
  const system = systemOf(h);
  await expect(system.checkWorkers()).rejects.toThrow("no worker is alive");
  await beat(h, "w");
  await system.checkWorkers();
});
