/** Whatever Redis loses or does: no job is lost, doubled or stuck. */
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import type { ClaimedJob } from "../../../src/jobs/leases.ts";
import { createQueueScripts } from "../../../src/queue/redis-scripts.ts";
import { HealthError } from "../../../src/rpc/health-checks.ts";
import { createHarness, type Harness, textRequest, until } from "../../support/harness.ts";
import { postgresQueueOn, redisQueueOn, type TestQueueRedis } from "../../support/queues.ts";
import { startTestRedis, type TestRedis } from "../../support/redis.ts";
import { resultOf } from "../jobs/steps.ts";

const over = (redis: TestRedis, more: Partial<TestQueueRedis> = {}): TestQueueRedis => ({
  urls: [redis.url],
  cluster: false,
  ...more,
});

async function create(h: Harness, count: number): Promise<string[]> {
  const made = await h.jobs.createBatch(
    h.admin,
    Array.from({ length: count }, (_, i) => textRequest(`text ${i}`)),
  );
  return made.map((item) => {
    if (item instanceof Error) throw item;
    return item.job.id;
  });
}

const claim = async (h: Harness, limit: number): Promise<ClaimedJob[]> =>
  await h.leases.claim("w", limit, Date.now);
const idsOf = (claimed: readonly ClaimedJob[]): string[] => claimed.map(({ job }) => job.id).sort();
const inRedis = async (h: Harness): Promise<number> =>
  (await h.queue.depths()).reduce((sum, { waiting, delayed }) => sum + waiting + delayed, 0);
const holds = (h: Harness, count: number) =>
  until(async () => (await inRedis(h).catch(() => -1)) === count, `Redis holds ${count}`);

/** The installation's own line in Redis, for a test that plays a process which dies in the middle. */
async function scriptsOf(h: Harness, redis: TestRedis) {
  const client = new Redis(redis.url);
  const [row] = await h.db.sql<{ name: string }[]>`select installation as name from queue_state`;
  return { client, scripts: createQueueScripts(client, row?.name ?? "") };
}

test("after FLUSHALL jobs are taken from Postgres at once, and the reconciliation puts all of them back", async () => {
  await using redis = await startTestRedis();
  await using h = await createHarness({ redis: over(redis) });
  const ids = await create(h, 30);
  await holds(h, 30);
  const { client } = await scriptsOf(h, redis);
  await client.flushall();
  client.disconnect();
  const early = await claim(h, 5);
  expect(early).toHaveLength(5);
  expect(h.queue.lost).toBe(true);
  expect(await h.queue.reconcile()).toMatchObject({ restored: 25 });
  expect(h.queue.lost).toBe(false);
  expect(await inRedis(h)).toBe(25);
  expect(idsOf([...early, ...(await claim(h, 50))])).toEqual(ids.sort());
});

test("a Redis that comes back without its data gets every waiting job again, those of its absence too", async () => {
  await using redis = await startTestRedis();
  await using h = await createHarness({ redis: over(redis) });
  const before = await create(h, 10);
  await holds(h, 10);
  await redis.kill();
  const during = await create(h, 10);
  const taken = await claim(h, 4);
  expect(taken).toHaveLength(4);
  await redis.restart();
  await until(async () => h.queue.lost, "the connection is back");
  await h.queue.reconcile();
  expect(await inRedis(h)).toBe(16);
  expect(idsOf([...taken, ...(await claim(h, 50))])).toEqual([...before, ...during].sort());
});

test("a Redis that comes back with old data gives nothing twice and misses nothing", async () => {
  await using redis = await startTestRedis({ args: ["--appendonly", "yes", "--appendfsync", "always"] });
  await using h = await createHarness({ redis: over(redis) });
  const old = await create(h, 6);
  await holds(h, 6);
  await redis.kill();
  // Meanwhile these are begun and done, and others come.
  for (const job of await claim(h, 6)) await h.leases.complete(job, resultOf("x"));
  const fresh = await create(h, 3);
  await redis.restart();
  await until(async () => h.queue.lost, "the connection is back");
  await h.queue.reconcile();
  expect(idsOf(await claim(h, 50))).toEqual(fresh.sort());
  expect(await claim(h, 50)).toEqual([]);
  const [row] = await h.db.sql<{ results: number }[]>`select count(*)::int as results from job_results`;
  expect(row?.results).toBe(old.length);
});

test("a job whose push was lost between its commit and the queue is found by the next reconciliation", async () => {
  await using redis = await startTestRedis();
  await using h = await createHarness({ redis: over(redis, { alone: true }) });
  const others = await create(h, 2);
  await holds(h, 2);
  const { client, scripts } = await scriptsOf(h, redis);
  await scripts.withdraw([others[0] ?? ""]);
  client.disconnect();
  expect(h.queue.lost).toBe(false);
  expect(await h.queue.reconcile()).toMatchObject({ restored: 1 });
  expect(idsOf(await claim(h, 5))).toEqual(others.sort());
});

test("ids whose taker died before it claimed them come again when their time is over", async () => {
  await using redis = await startTestRedis();
  await using h = await createHarness({ redis: over(redis, { alone: true, holdMs: 300 }) });
  const ids = await create(h, 4);
  await holds(h, 4);
  const { client, scripts } = await scriptsOf(h, redis);
  expect((await scripts.take(3, 300)).ids).toHaveLength(3);
  client.disconnect();
  // A reconciliation leaves them with their taker.
  expect(await h.queue.reconcile()).toMatchObject({ restored: 0 });
  const got: ClaimedJob[] = [];
  await until(async () => {
    got.push(...(await claim(h, 4)));
    return got.length === 4;
  }, "all four are given");
  expect(idsOf(got)).toEqual(ids.sort());
});

test("a lost word that a job was begun makes Redis give its id again, and Postgres refuse it", async () => {
  await using redis = await startTestRedis();
  await using h = await createHarness({ redis: over(redis, { alone: true }) });
  const [id = ""] = await create(h, 1);
  await holds(h, 1);
  expect(idsOf(await claim(h, 1))).toEqual([id]);
  const { client, scripts } = await scriptsOf(h, redis);
  const entry = {
    id,
    ownerId: h.admin.userId,
    rank: 1,
    runTime: new Date(0),
    isDue: true,
    concurrencyKey: null,
    parked: false,
  };
  await scripts.push([entry], "always");
  client.disconnect();
  expect(await claim(h, 1)).toEqual([]);
  expect(await inRedis(h)).toBe(0);
});

test("while Redis answers nothing, jobs are created without delay and taken from Postgres in bounded time", async () => {
  await using redis = await startTestRedis();
  await using h = await createHarness({ redis: over(redis) });
  const first = await create(h, 2);
  await holds(h, 2);
  redis.freeze();
  try {
    const askedAt = performance.now();
    const second = await create(h, 2);
    expect(performance.now() - askedAt).toBeLessThan(1_500);
    const got: ClaimedJob[] = [];
    await until(async () => {
      got.push(...(await claim(h, 4 - got.length)));
      return got.length === 4;
    }, "all are taken from Postgres");
    expect(idsOf(got)).toEqual([...first, ...second].sort());
  } finally {
    redis.thaw();
  }
  await until(async () => h.queue.lost, "Redis is back");
  await h.queue.reconcile();
  const third = await create(h, 1);
  await holds(h, 1);
  expect(idsOf(await claim(h, 5))).toEqual(third);
});

test("an installation that gets a Redis with jobs waiting gives all of them, and so it does when the Redis is taken away", async () => {
  await using redis = await startTestRedis();
  await using h = await createHarness();
  const ids = await create(h, 20);
  const queue = await redisQueueOn(h.db, h.bus, 30_000, over(redis, { alone: true }));
  try {
    const half = await queue.dequeue("w", 10);
    expect(half).toHaveLength(10);
    const rest = await postgresQueueOn(h.db, h.bus, 30_000).dequeue("v", 20);
    expect(idsOf([...half, ...rest])).toEqual(ids.sort());
    // Both at once, as while a fleet is switched: what one has taken, the other does not give.
    const more = await create(h, 20);
    await queue.reconcile();
    const [viaRedis, viaPostgres] = await Promise.all([
      queue.dequeue("w", 20),
      postgresQueueOn(h.db, h.bus, 30_000).dequeue("v", 20),
    ]);
    expect(idsOf([...viaRedis, ...viaPostgres])).toEqual(more.sort());
  } finally {
    await queue.stop();
  }
});

test("two installations that share a Redis do not see each other's jobs", async () => {
  await using redis = await startTestRedis();
  await using one = await createHarness({ redis: over(redis, { alone: true }) });
  await using two = await createHarness({ redis: over(redis, { alone: true }) });
  const [first, second] = [await create(one, 3), await create(two, 2)];
  await holds(one, 3);
  await holds(two, 2);
  expect(idsOf(await claim(two, 10))).toEqual(second.sort());
  expect(idsOf(await claim(one, 10))).toEqual(first.sort());
});

test("a Redis that evicts keys is told in plain words, and what it forgets is found again", async () => {
  await using redis = await startTestRedis({ args: ["--maxmemory-policy", "allkeys-lru"] });
  await using h = await createHarness({ redis: over(redis) });
  await expect(h.queue.check()).rejects.toThrow(HealthError);
  await expect(h.queue.check()).rejects.toThrow(/allkeys-lru.*noeviction/);
  const ids = await create(h, 8);
  await holds(h, 8);
  const { client } = await scriptsOf(h, redis);
  for (const key of await client.keys("*:ready:*")) await client.del(key);
  client.disconnect();
  await h.queue.reconcile();
  expect(idsOf(await claim(h, 20))).toEqual(ids.sort());
});

test("of 30,000 waiting jobs every one is back after FLUSHALL, in one reconciliation", async () => {
  await using redis = await startTestRedis();
  await using h = await createHarness({ redis: over(redis) });
  const [id = ""] = await create(h, 1);
  await h.db.sql`
    insert into jobs (id, owner_id, pipeline_id, pipeline_version, pipeline_name, document_id)
    select gen_random_uuid(), owner_id, pipeline_id, pipeline_version, pipeline_name, document_id
    from jobs cross join generate_series(1, 29999) where jobs.id = ${id}`;
  const { client } = await scriptsOf(h, redis);
  await client.flushall();
  client.disconnect();
  expect(await claim(h, 1)).toHaveLength(1);
  expect(await h.queue.reconcile()).toMatchObject({ restored: 29_999 });
  expect(await inRedis(h)).toBe(29_999);
});
