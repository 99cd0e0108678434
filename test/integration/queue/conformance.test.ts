/** What every queue must do, whatever holds the line: run on Postgres, on one Redis, and on a cluster of three. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import type { JobRequest } from "../../../src/jobs/create.ts";
import type { ClaimedJob } from "../../../src/jobs/leases.ts";
import type { Caller } from "../../../src/lib/caller.ts";
import { createSystemService, type ServerFacts } from "../../../src/system/service.ts";
import { createHarness, type Harness, textRequest, until } from "../../support/harness.ts";
import type { TestQueueRedis } from "../../support/queues.ts";
import { startTestRedis } from "../../support/redis.ts";
import { startTestRedisCluster } from "../../support/redis-cluster.ts";
import { failureOf, resultOf } from "../jobs/steps.ts";

const KINDS: Record<string, () => Promise<{ redis?: TestQueueRedis; stop(): Promise<void> }>> = {
  postgres: async () => ({ stop: async () => {} }),
  async redis() {
    const server = await startTestRedis();
    return { redis: { urls: [server.url], cluster: false, alone: true }, stop: server.stop };
  },
  async "redis cluster"() {
    const cluster = await startTestRedisCluster();
    return { redis: { urls: cluster.urls, cluster: true, alone: true }, stop: cluster.stop };
  },
};

async function create(
  h: Harness,
  changes: Partial<JobRequest>[],
  caller: Caller = h.admin,
): Promise<string[]> {
  const made = await h.jobs.createBatch(
    caller,
    changes.map((change, i) => textRequest(`text ${i}`, change)),
  );
  const ids = made.map((item) => {
    if (item instanceof Error) throw item;
    return item.job.id;
  });
  await inLine(h);
  return ids;
}

/** Waits until the queue has what waits: it is told after the answer. */
async function inLine(h: Harness): Promise<void> {
  await until(async () => {
    const sum = (depths: readonly { waiting: number; delayed: number }[]) =>
      depths.reduce((total, { waiting, delayed }) => total + waiting + delayed, 0);
    const [row] = await h.db.sql<{ n: number }[]>`
      select count(*)::int as n from jobs where status = 'CREATED' and (not parked or ${h.queue.backend === "postgres"})`;
    return sum(await h.queue.depths()) === row?.n;
  }, "the queue has what waits");
}

const claim = async (h: Harness, limit: number, worker = "w"): Promise<ClaimedJob[]> =>
  await h.leases.claim(worker, limit, Date.now);
const idsOf = (claimed: readonly ClaimedJob[]): string[] => claimed.map(({ job }) => job.id);
const complete = async (h: Harness, job: ClaimedJob) =>
  expect(await h.leases.complete(job, resultOf("x"))).not.toBeNull();
const one = (count: number, change: Partial<JobRequest> = {}): Partial<JobRequest>[] =>
  Array.from({ length: count }, () => change);

describe.each(Object.keys(KINDS))("%s:", (kind) => {
  let backend: Awaited<ReturnType<NonNullable<(typeof KINDS)[string]>>>;
  beforeAll(async () => {
    backend = (await KINDS[kind]?.()) ?? { stop: async () => {} };
  });
  afterAll(async () => await backend.stop());
  const harness = () => createHarness(backend.redis ? { redis: backend.redis } : {});

  test("the queue says what holds it", async () => {
    await using h = await harness();
    expect(h.queue.backend).toBe(kind === "postgres" ? "postgres" : "redis");
    await h.queue.check();
  });

  test("workers that take at once share what waits: every job goes to one of them", async () => {
    await using h = await harness();
    const ids = await create(h, one(60));
    const taken: string[] = [];
    await Promise.all(
      ["a", "b", "c", "d"].map(async (worker) => {
        for (let got = await claim(h, 5, worker); got.length > 0; got = await claim(h, 5, worker)) {
          taken.push(...idsOf(got));
        }
      }),
    );
    expect(taken.sort()).toEqual(ids.sort());
  });

  test("high comes before normal before low, and of one owner the older before the newer", async () => {
    await using h = await harness();
    const [low, normal1, high1, high2, normal2] = await create(h, [
      { priority: "LOW" },
      {},
      { priority: "HIGH" },
      { priority: "HIGH" },
      {},
    ]);
    expect(idsOf(await claim(h, 10))).toEqual([high1, high2, normal1, normal2, low]);
  });

  test("a delayed job comes at its time and not before, and counts as delayed until then", async () => {
    await using h = await harness();
    const [id] = await create(h, [{ runTime: new Date(Date.now() + 900) }]);
    expect((await h.queue.depths())[1]).toEqual({ rank: 1, waiting: 0, delayed: 1 });
    expect(await claim(h, 5)).toEqual([]);
    const [claimed] = await until(async () => {
      const got = await claim(h, 5);
      return got.length > 0 && got;
    }, "its time has come");
    expect(claimed?.job.id).toBe(id);
    const [row] = await h.db.sql<{ early: boolean }[]>`select started_at < run_time as early from jobs`;
    expect(row?.early).toBe(false);
  });

  test("what has ended is not given again, however often it is enqueued", async () => {
    await using h = await harness();
    await create(h, one(1));
    const [claimed] = await claim(h, 1);
    if (!claimed) throw new Error("nothing was given");
    await complete(h, claimed);
    await h.queue.enqueue([claimed.entry, claimed.entry]);
    expect(await claim(h, 5)).toEqual([]);
    expect((await h.queue.depths()).map(({ waiting }) => waiting)).toEqual([0, 0, 0]);
  });

  test("what is enqueued twice is given once", async () => {
    await using h = await harness();
    await create(h, one(3));
    const entries = (await h.db.sql<{ id: string }[]>`select id from jobs`).map(({ id }) => ({
      id,
      ownerId: h.admin.userId,
      rank: 1,
      runTime: new Date(),
      isDue: true,
      concurrencyKey: null,
      parked: false,
    }));
    await Promise.all([h.queue.enqueue(entries), h.queue.enqueue(entries), h.queue.nack(entries)]);
    expect(new Set(idsOf(await claim(h, 10))).size).toBe(3);
    expect(await claim(h, 10)).toEqual([]);
  });

  test("a job that is handed back comes again at once, one that failed comes again after its delay", async () => {
    await using h = await harness();
    await create(h, one(2));
    const [released, failed] = await claim(h, 2);
    if (!released || !failed) throw new Error("too few were given");
    await h.leases.release([released.lease]);
    await h.leases.fail(failed, { error: failureOf(true), retryInMs: 800 });
    expect(idsOf(await claim(h, 5))).toEqual([released.job.id]);
    expect((await h.queue.depths())[1]).toEqual({ rank: 1, waiting: 0, delayed: 1 });
    const [again] = await until(async () => {
      const got = await claim(h, 5);
      return got.length > 0 && got;
    }, "its delay is over");
    expect([again?.job.id, again?.job.attempt]).toEqual([failed.job.id, 2]);
  });

  test("jobs that are handed back stand before all that their owner has not begun, one that failed behind them", async () => {
    await using h = await harness();
    const [a, b, c, d, e, f] = await create(h, one(6));
    const [first, second, third, fourth] = await claim(h, 4);
    if (!first || !second || !third || !fourth) throw new Error("too few were given");
    await h.leases.fail(second, { error: failureOf(true), retryInMs: 0 });
    // In one go and one by one, the later before the earlier.
    await h.leases.release([fourth.lease]);
    await h.leases.release([third.lease, first.lease]);
    await inLine(h);
    expect(idsOf(await claim(h, 10))).toEqual([a, c, d, e, f, b]);
  });

  test("a job that is handed back stands first also when the reconciliation has put it in the line before", async () => {
    await using h = await harness();
    const ids = await create(h, one(3));
    const [first] = await claim(h, 1);
    if (!first) throw new Error("nothing was given");
    // As if the worker were slow between its commit and its word to the queue.
    await h.db
      .sql`update jobs set status = 'CREATED', lease_token = null, lease_until = null where status = 'PROCESSING'`;
    await h.queue.reconcile();
    await h.queue.release([first.entry]);
    expect(idsOf(await claim(h, 10))).toEqual(ids);
  });

  test("while it is paused nothing is given and everything stays; resumed, all of it comes in its order", async () => {
    await using h = await harness();
    const system = createSystemService({
      ...h,
      audit: createAuditor(),
      facts: {} as ServerFacts,
      now: Date.now,
    });
    await system.pause(h.admin, "");
    const ids = await create(h, one(4));
    expect(await claim(h, 2)).toEqual([]);
    expect((await h.queue.depths())[1]?.waiting).toBe(4);
    await system.resume(h.admin);
    expect(idsOf(await claim(h, 4))).toEqual(ids);
  });

  test("a pause that only Postgres knows of holds too", async () => {
    await using h = await harness();
    const ids = await create(h, one(3));
    await h.db.sql`update queue_state set paused = true`;
    expect(await claim(h, 2)).toEqual([]);
    await h.db.sql`update queue_state set paused = false`;
    expect(idsOf(await claim(h, 3))).toEqual(ids);
  });

  test("depths tell waiting and delayed jobs of each priority, and the stats what runs and how much has ended", async () => {
    await using h = await harness();
    const later = new Date(Date.now() + 60_000);
    await create(h, [
      ...one(2, { priority: "HIGH" }),
      ...one(3),
      ...one(4, { priority: "LOW" }),
      ...one(2, { priority: "LOW", runTime: later }),
    ]);
    expect(await h.queue.depths()).toEqual([
      { rank: 0, waiting: 2, delayed: 0 },
      { rank: 1, waiting: 3, delayed: 0 },
      { rank: 2, waiting: 4, delayed: 2 },
    ]);
    const [first] = await claim(h, 2);
    if (first) await complete(h, first);
    const system = createSystemService({
      ...h,
      audit: createAuditor(),
      facts: {} as ServerFacts,
      now: Date.now,
    });
    const { depths, ended, backend: holder } = await system.queueStats();
    expect(depths.map(({ waiting, delayed, leased }) => [waiting, delayed, leased])).toEqual([
      [0, 0, 1],
      [3, 0, 0],
      [4, 2, 0],
    ]);
    expect(ended.map(({ completed }) => completed)).toEqual([1, 1, 1]);
    expect(holder).toBe(h.queue.backend);
  });

  test("owners take turns: one with many jobs delays another's first by a few claims at the most", async () => {
    await using h = await harness();
    const [many, few] = [h.caller(), h.caller()];
    await create(h, one(150), many);
    await create(h, one(2), few);
    const order: string[] = [];
    for (let i = 0; i < 8; i++) order.push(...(await claim(h, 1)).map(({ job }) => job.ownerId));
    expect(order.indexOf(few.userId)).toBeLessThan(3);
    expect(order.filter((owner) => owner === few.userId)).toHaveLength(2);
  });

  test("while higher jobs keep coming, a LOW one is begun within sixteen", async () => {
    await using h = await harness();
    const [low] = await create(h, [{ priority: "LOW" }]);
    await create(h, one(60, { priority: "HIGH" }), h.caller());
    const begun: string[] = [];
    while (!begun.includes(low ?? "")) begun.push(...idsOf(await claim(h, 1)));
    expect(begun.length).toBeLessThanOrEqual(16);
  });

  test("of one key no more run than its limit, whoever claims, and the next begins as one ends", async () => {
    await using h = await harness();
    await create(h, one(7, { concurrencyKey: "k", concurrencyLimit: 2 }));
    const running = (await Promise.all(["a", "b", "c", "d"].map((w) => claim(h, 3, w)))).flat();
    expect(running).toHaveLength(2);
    for (let left = 5; left > 0; left--) {
      const [ending] = running.splice(0, 1);
      if (ending) await complete(h, ending);
      const next = (await Promise.all(["a", "b"].map((w) => claim(h, 3, w)))).flat();
      expect(next).toHaveLength(1);
      running.push(...next);
    }
    for (const last of running) await complete(h, last);
    expect((await h.jobs.count(h.admin, {}))[0]).toEqual({ status: "COMPLETED", count: 7 });
  });

  test("workers that take jobs of one key at once fail none of it, and begin as many as its limit allows", async () => {
    await using h = await harness();
    await create(h, one(150, { concurrencyKey: "k", concurrencyLimit: 100 }));
    await create(h, one(20));
    const begun: string[] = [];
    await until(async () => {
      const some = await Promise.all(Array.from({ length: 8 }, (_, i) => claim(h, 3, `w${i}`)));
      begun.push(...some.flatMap(idsOf));
      return begun.length >= 120;
    }, "all that may run have begun");
    expect(begun).toHaveLength(120);
    expect(new Set(begun).size).toBe(120);
    expect(await claim(h, 5)).toEqual([]);
  });

  test("a backlog of one key holds nothing else back, whether its jobs came before or after the key was taken", async () => {
    await using h = await harness();
    await create(h, one(600, { concurrencyKey: "k" }));
    const [holder] = await claim(h, 1);
    expect(holder?.job.concurrencyKey).toBe("k");
    await create(h, one(600, { concurrencyKey: "k" }));
    const free = await create(h, one(3));
    expect(idsOf(await claim(h, 5)).sort()).toEqual(free.sort());
  });

  test("every way in which a job of a key stops running lets the next one go on", async () => {
    await using h = await harness();
    await create(h, one(6, { concurrencyKey: "k" }));
    const next = async (): Promise<ClaimedJob> => {
      const [claimed, ...others] = await claim(h, 5);
      if (!claimed || others.length > 0)
        throw new Error(`one was expected, not ${claimed ? others.length + 1 : 0}`);
      return claimed;
    };
    await complete(h, await next());
    await h.leases.fail(await next(), { error: failureOf(false), retryInMs: null });
    await h.leases.fail(await next(), { error: failureOf(true), retryInMs: 3_600_000 });
    const cancelled = await next();
    await h.jobs.cancel(h.admin, cancelled.job.id, "");
    await h.leases.cancelled(cancelled);
    const lost = await next();
    await h.jobs.cancel(h.admin, lost.job.id, "");
    await h.db.sql`update jobs set lease_until = now() - interval '1 second' where id = ${lost.job.id}`;
    await h.leases.sweep();
    await complete(h, await next());
    expect(await claim(h, 5)).toEqual([]);
  });

  test("of one key with different limits, whoever may run beside those that do is let into the line at once", async () => {
    await using h = await harness();
    const key = (limit: number) => ({ concurrencyKey: "key", concurrencyLimit: limit });
    const [a, b, c] = await create(h, [key(1), key(2), key(2)]);
    const [first] = await claim(h, 1);
    expect(first?.job.id).toBe(a);
    await h.leases.fail(first!, { error: failureOf(true), retryInMs: 0 });
    await inLine(h);
    // The first is put aside, since another runs that came before it now; the third has its place in the line.
    const [second] = await claim(h, 1);
    expect(second?.job.id).toBe(b);
    const [third] = await until(async () => {
      const some = await claim(h, 1);
      return some.length > 0 && some;
    }, "the third is begun beside the second");
    expect(third?.job.id).toBe(c);
    const [d, e] = await create(h, [key(1), key(2)]);
    await h.jobs.cancel(h.admin, a ?? "", "");
    await complete(h, second!);
    await complete(h, third!);
    expect(idsOf(await claim(h, 2)).sort()).toEqual([d, e]);
  });

  test("of one key a HIGH job overtakes the LOW ones, also one that stands in the line already", async () => {
    await using h = await harness();
    const [low, later] = await create(h, one(2, { concurrencyKey: "k", priority: "LOW" }));
    await create(h, one(4, { priority: "NORMAL" }), h.caller());
    const [high] = await create(h, [{ concurrencyKey: "k", priority: "HIGH" }]);
    const [first] = await claim(h, 1);
    expect(first?.job.id).toBe(high);
    const [second] = await h.jobs.createBatch(h.admin, [
      textRequest("second", { concurrencyKey: "k", priority: "HIGH" }),
    ]);
    const begun: string[] = [];
    let running = first;
    while (begun.length < 7) {
      if (running) await complete(h, running);
      running = await until(async () => (await claim(h, 1))[0] ?? false, "the next is begun");
      begun.push(running.job.id);
    }
    expect(begun[0]).toBe(second instanceof Error ? second : second?.job.id);
    expect(begun.slice(-2)).toEqual([low, later]);
  });

  test("a job that was cancelled while it waited is not given, and makes place for the next of its key", async () => {
    await using h = await harness();
    const ids = await create(h, one(3, { concurrencyKey: "k" }));
    await h.jobs.cancel(h.admin, ids[0] ?? "", "");
    expect(idsOf(await claim(h, 5))).toEqual([ids[1]]);
  });

  test("a job whose key got free while nobody could tell the queue is found by the reconciliation", async () => {
    await using h = await harness();
    await create(h, one(2, { concurrencyKey: "k" }));
    await claim(h, 1);
    // As if the worker had died between its commit and the next word to the queue.
    await h.db.sql`update jobs set status = 'COMPLETED', ended_at = now() where status = 'PROCESSING'`;
    expect(await claim(h, 1)).toEqual([]);
    expect(await h.queue.reconcile()).toMatchObject({ admitted: 1 });
    expect(await claim(h, 1)).toHaveLength(1);
  });

  test("a failed and a cancelled job that are retried wait in the line again", async () => {
    await using h = await harness();
    const [first, second] = await create(h, one(2));
    const [claimed] = await claim(h, 1);
    if (claimed) await h.leases.fail(claimed, { error: failureOf(false), retryInMs: null });
    await h.jobs.cancel(h.admin, second ?? "", "");
    expect(await claim(h, 5)).toEqual([]);
    await h.jobs.retryMany(h.admin, {}, 10);
    expect(idsOf(await claim(h, 5)).sort()).toEqual([first, second].sort());
  });
});
