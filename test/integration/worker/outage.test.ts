import { expect, test } from "vitest";
import { openDatabase } from "../../../src/db/sql.ts";
import type { Leases } from "../../../src/jobs/leases.ts";
import { StageFailure } from "../../../src/stages/stage.ts";
import type { Outcome } from "../../../src/worker/run-job.ts";
import { createHarness, type Harness, textRequest, until } from "../../support/harness.ts";
import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";
import { bytesOf, eventsOf, sha256, statusesOf } from "../jobs/steps.ts";
import { startTestWorker, type TestWorkerOptions, untilAborted } from "./worker-harness.ts";

/** Connections that are refused before the database is back. */
const REFUSALS = 6;
const LARGE = Array.from({ length: 30_000 }, (_, i) => `Paragraph ${i} tells of water and gates.`).join(
  "\n\n",
);

interface Site extends AsyncDisposable {
  readonly h: Harness;
  readonly proxy: TcpProxy;
  /** On the database behind the proxy. */
  readonly leases: Leases;
  /** A worker that has all of its database behind the proxy; stopped at the end of the test. */
  work(options?: TestWorkerOptions): ReturnType<typeof startTestWorker>;
}

async function createSite(): Promise<Site> {
  const parts = new AsyncDisposableStack();
  const h = parts.use(await createHarness());
  const proxy = parts.use(await startTcpProxy(h.databaseUrl));
  const db = openDatabase({
    url: proxy.url,
    maxConnections: 4,
    statementTimeoutMs: 30_000,
    applicationName: "test-outage",
  });
  parts.defer(async () => {
    proxy.up();
    // The driver takes a connection that was cut for busy, until it is used again, and waits for it.
    await Promise.allSettled(Array.from({ length: 4 }, () => db.sql`select 1`));
    await db.close();
  });
  const { leases, documents } = h.newProcess(db);
  return {
    h,
    proxy,
    leases,
    work: async (options = {}) =>
      parts.use(await startTestWorker(h, { leases, documents, databaseUrl: proxy.url, ...options })),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Away now, and back when it has been asked for in vain for some time. */
function outage({ proxy }: Site): Promise<void> {
  const before = proxy.refused;
  proxy.down();
  return until(async () => proxy.refused >= before + REFUSALS, "the database was missed").then(() =>
    proxy.up(),
  );
}

/** `leases` with something done before the first call of one verb. */
function before(leases: Leases, verb: keyof Leases, act: () => void): Leases {
  let isDone = false;
  return new Proxy(leases, {
    get(target, name: keyof Leases) {
      const real = target[name];
      if (typeof real !== "function" || name !== verb) return real;
      return (...args: unknown[]) => {
        if (!isDone) act();
        isDone = true;
        return (real as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}

async function expectSound({ h }: Site, id: string, statuses: readonly string[], attempt: number) {
  await until(async () => (await statusesOf(h, id)).length === statuses.length, `${id}: ${statuses}`, 40_000);
  expect(await statusesOf(h, id)).toEqual(statuses);
  const [row] = await h.db.sql`select attempt, lost_claims, lease_token from jobs where id = ${id}`;
  expect(row).toEqual({ attempt, lostClaims: 0, leaseToken: null });
  const events = await eventsOf(h, id);
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
}

/** Starts, ends and log lines of stages as the log of the job has them; each stands there once. */
async function stageEventsOf({ h }: Site, id: string): Promise<string[]> {
  return (await eventsOf(h, id))
    .filter(({ type }) => ["stage_started", "stage_finished", "log"].includes(type))
    .map(({ type, payload }) => `${type} ${(payload as { name?: string; message?: string }).name ?? "line"}`);
}

async function outcomesOf({ h }: Site): Promise<Partial<Record<Outcome, number>>> {
  const { values } = await h.metrics.jobSeconds.get();
  const counts = values.filter(({ metricName }) => metricName?.endsWith("_count"));
  return Object.fromEntries(counts.map(({ labels, value }) => [labels.outcome, value]));
}

/** The ends of an attempt: how it comes to one, the verb that writes it, and words of its statement. */
const ENDS: Record<
  string,
  {
    verb: keyof Leases;
    words: string;
    outcome: Outcome;
    statuses: string[];
    attempt: number;
    options?: (site: Site, reached: () => void) => TestWorkerOptions;
    act?: (site: Site, id: string, stop: () => Promise<void>) => Promise<unknown>;
  }
> = {
  completes: {
    verb: "complete",
    words: "insert into job_results",
    outcome: "completed",
    statuses: ["CREATED", "PROCESSING", "COMPLETED"],
    attempt: 1,
  },
  fails: {
    verb: "fail",
    words: "run_time = case",
    outcome: "failed",
    statuses: ["CREATED", "PROCESSING", "FAILED"],
    attempt: 1,
    options: () => ({ beforeStage: () => Promise.reject(new StageFailure("STAGE_FAILED", "no", false)) }),
  },
  "is cancelled": {
    verb: "cancelled",
    words: "set status = 'CANCELLED'",
    outcome: "cancelled",
    statuses: ["CREATED", "PROCESSING", "CANCELLING", "CANCELLED"],
    attempt: 1,
    options: (_, reached) => ({
      beforeStage: async ({ signal }) => {
        reached();
        await untilAborted(signal);
      },
    }),
    act: ({ h }, id) => h.jobs.cancel(h.admin, id, ""),
  },
  "is handed back": {
    verb: "release",
    words: "attempt = attempt - 1",
    outcome: "released",
    statuses: ["CREATED", "PROCESSING", "CREATED"],
    attempt: 0,
    options: (_, reached) => ({
      graceMs: 0,
      beforeStage: async ({ signal }) => {
        reached();
        await untilAborted(signal);
      },
    }),
    act: (_site, _id, stop) => stop(),
  },
};

async function bringToItsEnd(site: Site, leases: Leases, end: (typeof ENDS)[string]): Promise<string> {
  const reached = Promise.withResolvers<void>();
  const w = await site.work({ leases, ...end.options?.(site, reached.resolve) });
  const { job } = await site.h.jobs.create(site.h.admin, textRequest("Water runs through the gate."));
  if (end.act) {
    await reached.promise;
    await end.act(site, job.id, () => w.worker.stop());
  }
  return job.id;
}

test.each(Object.entries(ENDS))(
  "an outage of the database that begins as an attempt %s costs it that time and nothing else",
  async (_, end) => {
    await using site = await createSite();
    let back: Promise<void> = Promise.resolve();
    const leases = before(site.leases, end.verb, () => {
      back = outage(site);
    });
    const id = await bringToItsEnd(site, leases, end);
    await expectSound(site, id, end.statuses, end.attempt);
    await back;
    await until(async () => (await outcomesOf(site))[end.outcome] === 1, "it is told as what it was");
  },
  60_000,
);

test.each(Object.entries(ENDS))(
  "when an attempt %s and the connection is cut between commit and answer, that counts, once",
  async (_, end) => {
    await using site = await createSite();
    const lost = site.proxy.loseAnswerTo(end.words);
    const id = await bringToItsEnd(site, site.leases, end);
    await lost;
    await until(async () => (await outcomesOf(site))[end.outcome] === 1, "it is told as what it was");
    expect(Object.keys(await outcomesOf(site))).toEqual([end.outcome]);
    await expectSound(site, id, end.statuses, end.attempt);
  },
  60_000,
);

test("a failure to be tried again whose answer is lost is tried again once", async () => {
  await using site = await createSite();
  let failures = 0;
  const lost = site.proxy.loseAnswerTo("run_time = case");
  await site.work({
    beforeStage: async () => {
      if (failures++ === 0) throw new StageFailure("STAGE_FAILED", "not now", true);
    },
  });
  const { job } = await site.h.jobs.create(site.h.admin, textRequest("Water."));
  await lost;
  await expectSound(site, job.id, ["CREATED", "PROCESSING", "CREATED", "PROCESSING", "COMPLETED"], 2);
});

test("objects of a result whose commit got no answer stay, and can be read", async () => {
  await using site = await createSite();
  const { h } = site;
  const lost = site.proxy.loseAnswerTo("insert into job_results");
  await site.work();
  const { job } = await h.jobs.create(h.admin, textRequest(LARGE));
  await lost;
  await until(async () => (await outcomesOf(site)).completed === 1, "it is told as completed", 40_000);
  const { content, body } = await h.jobs.download(h.admin, job.id, "TEXT", 0, AbortSignal.timeout(10_000));
  expect(content.objectKey).not.toBeNull();
  expect(sha256(await bytesOf(body))).toBe(content.sha256);
  await expectSound(site, job.id, ["CREATED", "PROCESSING", "COMPLETED"], 1);
}, 60_000);

test("an outage in the middle of a stage holds the attempt up, and every stage runs once", async () => {
  await using site = await createSite();
  const ran: string[] = [];
  await site.work({
    beforeStage: async ({ stageType, onLog }) => {
      ran.push(stageType);
      if (stageType !== "normalize") return;
      onLog("info", "in the middle");
      void outage(site);
    },
  });
  const { job } = await site.h.jobs.create(site.h.admin, textRequest("Water runs through the gate."));
  await expectSound(site, job.id, ["CREATED", "PROCESSING", "COMPLETED"], 1);
  expect(ran).toEqual(["detect", "extract", "normalize", "enrich", "chunk", "quality"]);
  const events = await stageEventsOf(site, job.id);
  expect(new Set(events).size).toBe(events.length);
  expect(events).toHaveLength(15);
}, 60_000);

test.each([
  ["step", "insert into job_stages"],
  ["log line", "stage_share = $"],
])(
  "a %s of a running attempt whose answer is lost is written once",
  async (_, words) => {
    await using site = await createSite();
    const ran: string[] = [];
    const lost = site.proxy.loseAnswerTo(words);
    await site.work({
      beforeStage: async ({ stageType, onLog }) => {
        ran.push(stageType);
        if (stageType === "extract") onLog("info", "in the middle");
      },
    });
    const { job } = await site.h.jobs.create(site.h.admin, textRequest("Water runs through the gate."));
    await lost;
    await expectSound(site, job.id, ["CREATED", "PROCESSING", "COMPLETED"], 1);
    expect(ran).toEqual(["detect", "extract", "normalize", "enrich", "chunk", "quality"]);
    const events = await stageEventsOf(site, job.id);
    expect(new Set(events).size).toBe(events.length);
    expect(events).toHaveLength(15);
  },
  60_000,
);

test("a step that the server carries out only after its connection was given up is written once", async () => {
  await using site = await createSite();
  const { h, proxy } = site;
  const held = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const waiting = (count: number) =>
    until(async () => {
      const rows = await h.db.sql`select 1 from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%job_stages%'`;
      return rows.length === count;
    }, `${count} statements wait for the row`);
  let locked: Promise<unknown> = Promise.resolve();
  await site.work({
    beforeStage: async ({ stageType }) => {
      if (stageType !== "extract") return;
      locked = h.db.begin(async (tx) => {
        await tx`select 1 from jobs for update`;
        held.resolve();
        await released.promise;
      });
      await held.promise;
    },
  });
  const { job } = await h.jobs.create(h.admin, textRequest("Water runs through the gate."));
  await held.promise;
  await waiting(1);
  proxy.cut();
  await waiting(2);
  released.resolve();
  await locked;
  await expectSound(site, job.id, ["CREATED", "PROCESSING", "COMPLETED"], 1);
  const events = await stageEventsOf(site, job.id);
  expect(new Set(events).size).toBe(events.length);
}, 60_000);

test("a worker that stops while the database is away does not wait for it beyond its grace period and a little", async () => {
  await using site = await createSite();
  const reached = Promise.withResolvers<void>();
  const w = await site.work({
    graceMs: 500,
    beforeStage: async ({ signal }) => {
      reached.resolve();
      await untilAborted(signal);
    },
  });
  await site.h.jobs.create(site.h.admin, textRequest("Water."));
  await reached.promise;
  site.proxy.down();
  const askedAt = performance.now();
  await w.worker.stop();
  expect(performance.now() - askedAt).toBeLessThan(500 + 7_000);
  await until(async () => (await outcomesOf(site)).lost === 1, "nothing is tried any more", 5_000);
}, 60_000);
