import { expect, test } from "vitest";
import { openDatabase } from "../../../src/db/sql.ts";
import { createLeases } from "../../../src/jobs/leases.ts";
import { createHarness, textRequest, until } from "../../support/harness.ts";
import { postgresQueueOn } from "../../support/queues.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { startTestWorker } from "./worker-harness.ts";

const GRACE_MS = 1_000;

test("a worker whose connections to the database fall silent claims again soon, and stops in bounded time when none answers any more", async () => {
  await using h = await createHarness();
  await using proxy = await startTcpProxy(h.databaseUrl);
  const db = openDatabase({
    url: proxy.url,
    maxConnections: 4,
    statementTimeoutMs: 1_000,
    answerMarginMs: 500,
    applicationName: "test-silent",
  });
  try {
    const quick = {
      ...db,
      dedicated: (of: Parameters<typeof db.dedicated>[0]) =>
        db.dedicated({ ...of, statementTimeoutMs: 1_000 }),
    };
    const queue = postgresQueueOn(quick, h.bus, 30_000);
    const leases = createLeases({ ...h, db: quick, queue, leaseMs: 30_000 });
    await using w = await startTestWorker(h, { leases, databaseUrl: proxy.url, graceMs: GRACE_MS });
    const completed = async () => {
      const { job } = await h.jobs.create(h.admin, textRequest("Water runs through the gate."));
      await until(
        async () => (await h.jobs.get(h.admin, job.id)).job.status === "COMPLETED",
        "the job is done",
      );
    };
    await completed();
    proxy.silenceOpen();
    await completed();
    proxy.silenceAll();
    const askedAt = performance.now();
    await w.worker.stop();
    expect(performance.now() - askedAt).toBeLessThan(GRACE_MS + 7_000);
  } finally {
    await db.close();
  }
}, 60_000);

test("a worker stops in bounded time although a claim, a heartbeat and the end of a job never get an answer", async () => {
  await using h = await createHarness();
  await using proxy = await startTcpProxy(h.databaseUrl);
  let hangs = false;
  const reached = new Set<string>();
  const never = new Promise<never>(() => {});
  const leases = new Proxy(h.leases, {
    get(target, name: keyof typeof h.leases) {
      const real = target[name];
      if (typeof real !== "function") return real;
      return (...args: unknown[]) => {
        if (!hangs) return (real as (...args: unknown[]) => unknown).apply(target, args);
        reached.add(name);
        return never;
      };
    },
  });
  const w = await startTestWorker(h, {
    leases,
    databaseUrl: proxy.url,
    graceMs: GRACE_MS,
    beforeStage: async () => {
      hangs = true;
      proxy.silenceAll();
    },
  });
  await h.jobs.create(h.admin, textRequest("Water runs through the gate."));
  await until(async () => ["claim", "step"].every((verb) => reached.has(verb)), "all of them hang");
  const askedAt = performance.now();
  await w.worker.stop();
  expect(performance.now() - askedAt).toBeLessThan(GRACE_MS + 7_000);
}, 60_000);
