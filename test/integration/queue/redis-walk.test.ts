/** How the reconciliation finds in long lines what Redis misses: in turns, among many processes, and while Redis loses more. */
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../../src/db/sql.ts";
import type { ClaimedJob } from "../../../src/jobs/leases.ts";
import type { Queue } from "../../../src/queue/queue.ts";
import { createQueueScripts } from "../../../src/queue/redis-scripts.ts";
import { createHarness, type Harness, textRequest } from "../../support/harness.ts";
import { postgresQueueOn, redisQueueOn } from "../../support/queues.ts";
import { startTestRedis, type TestRedis } from "../../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(async () => await redis.stop());

/** One of several processes that reconcile; it takes nothing from Postgres, so what it gives is in Redis. */
const processOn = (h: Harness, db: Database = h.db): Promise<Queue<ClaimedJob>> =>
  redisQueueOn(db, h.bus, 30_000, { urls: [redis.url], cluster: false, alone: true });

async function create(h: Harness): Promise<string> {
  return (await h.jobs.create(h.admin, textRequest("text"))).job.id;
}

/** Jobs like the one with the id `like`, which have waited for an hour; their ids say so too. In their order. */
async function createOld(h: Harness, count: number, like: string): Promise<string[]> {
  const rows = await h.db.sql<{ id: string }[]>`
    insert into jobs (id, owner_id, pipeline_id, pipeline_version, pipeline_name, document_id, run_time, created_at)
    select (lpad(to_hex((extract(epoch from t.time) * 1000)::bigint), 12, '0') || '7000' || '8'
        || lpad(to_hex(n), 15, '0'))::uuid,
      owner_id, pipeline_id, pipeline_version, pipeline_name, document_id, t.time, t.time
    from jobs cross join generate_series(1, ${count}::int) as n
      cross join lateral (select now() - interval '1 hour' + n * interval '1 millisecond' as time) as t
    where jobs.id = ${like} returning id`;
  return rows.map(({ id }) => id).sort();
}

/** What Redis holds of this installation, as another process sees it. */
async function line(h: Harness) {
  const client = new Redis(redis.url);
  const [row] = await h.db.sql<{ name: string }[]>`select installation as name from queue_state`;
  const scripts = createQueueScripts(client, row?.name ?? "");
  return {
    forget: (id: string) => scripts.withdraw([id]),
    misses: (ids: readonly string[]) => scripts.absent(ids),
    flush: () => client.flushall(),
    [Symbol.dispose]: () => client.disconnect(),
  };
}

/** The same database, which does `work` before a page of the walk along the line is read: `pages` of them come before. */
function beforePage(db: Database, pages: number, work: () => Promise<unknown>): Database {
  let seen = 0;
  const sql = new Proxy(db.sql, {
    apply(target, _self, [first, ...rest]: [unknown, ...unknown[]]) {
      const send = () => (target as unknown as (...all: unknown[]) => unknown)(first, ...rest);
      const isPage =
        Array.isArray(first) && first.join("").includes("order by priority, owner_id, run_time, id limit");
      return isPage && seen++ === pages ? work().then(send) : send();
    },
  });
  return { ...db, sql };
}

test("a new job whose push was lost is found in the next turn, behind 30,000 that wait", async () => {
  await using h = await createHarness();
  await createOld(h, 30_000, await create(h));
  const queue = await processOn(h);
  try {
    using there = await line(h);
    // By a server that does not push it, as if it had died after its commit.
    const fresh = await create(h);
    expect(await there.misses([fresh])).toEqual([fresh]);
    expect(queue.lost).toBe(false);
    await queue.reconcile();
    expect(await there.misses([fresh])).toEqual([]);
  } finally {
    await queue.stop();
  }
});

test("processes that take turns walk a long line together: what one has not reached, the next one finds", async () => {
  await using h = await createHarness();
  const old = await createOld(h, 30_000, await create(h));
  const queues = [await processOn(h), await processOn(h)];
  try {
    using there = await line(h);
    const [near = "", far = ""] = [old[10_000], old[25_000]];
    await there.forget(near);
    await there.forget(far);
    expect(await queues[0]?.reconcile()).toMatchObject({ restored: 1 });
    expect(await there.misses([near, far])).toEqual([far]);
    expect(await queues[1]?.reconcile()).toMatchObject({ restored: 1 });
    expect(await there.misses([near, far])).toEqual([]);
    // At the end of the line they begin anew.
    await there.forget(near);
    expect(await queues[1]?.reconcile()).toMatchObject({ restored: 1 });
  } finally {
    await Promise.all(queues.map((queue) => queue.stop()));
  }
});

test("processes that take turns go through the keys together: a free one behind 5,000 taken ones is found in the second turn", async () => {
  await using h = await createHarness();
  const id = await create(h);
  const insert = (status: string, parked: boolean, keys: number) => h.db.sql`
    insert into jobs (id, owner_id, pipeline_id, pipeline_version, pipeline_name, document_id, concurrency_key, status, parked)
    select gen_random_uuid(), owner_id, pipeline_id, pipeline_version, pipeline_name, document_id,
      'key ' || lpad(n::text, 4, '0'), ${status}, ${parked}
    from jobs cross join generate_series(1, ${keys}::int) as n where jobs.id = ${id}`;
  await insert("PROCESSING", false, 5_000);
  await insert("CREATED", true, 5_001);
  const [one, other] = [postgresQueueOn(h.db, h.bus, 30_000), postgresQueueOn(h.db, h.bus, 30_000)];
  expect(await one.reconcile()).toMatchObject({ admitted: 0 });
  expect(await other.reconcile()).toMatchObject({ admitted: 1 });
});

test("a Redis that is emptied while everything is put back is not taken for complete, and is filled again", async () => {
  await using h = await createHarness();
  await createOld(h, 6_000, await create(h));
  using there = await line(h);
  // Pages 1 and 2 are those of its start.
  const queue = await processOn(
    h,
    beforePage(h.db, 3, () => there.flush()),
  );
  const held = async () => (await queue.depths()).reduce((sum, { waiting }) => sum + waiting, 0);
  try {
    await there.flush();
    expect(await queue.dequeue("w", 1)).toEqual([]);
    expect(queue.lost).toBe(true);
    await queue.reconcile();
    expect(await held()).toBe(1_001);
    expect(queue.lost).toBe(true);
    expect(await queue.dequeue("w", 1)).toEqual([]);
    expect(await queue.reconcile()).toMatchObject({ restored: 5_000 });
    expect(queue.lost).toBe(false);
    expect(await held()).toBe(6_001);
    expect(await queue.dequeue("w", 1)).toHaveLength(1);
  } finally {
    await queue.stop();
  }
});

test("a worker that asks for jobs while everything is put back does not make it begin anew", async () => {
  await using h = await createHarness();
  await createOld(h, 6_000, await create(h));
  using there = await line(h);
  const asked: Promise<ClaimedJob[]>[] = [];
  const queue: Queue<ClaimedJob> = await processOn(
    h,
    beforePage(h.db, 3, async () => {
      asked.push(queue.dequeue("w", 1));
      await Promise.all(asked);
    }),
  );
  try {
    await there.flush();
    await queue.dequeue("w", 1);
    expect(queue.lost).toBe(true);
    expect(await queue.reconcile()).toMatchObject({ restored: 6_001 });
    expect(await Promise.all(asked)).toEqual([[]]);
    expect(queue.lost).toBe(false);
    expect(await queue.dequeue("w", 1)).toHaveLength(1);
  } finally {
    await queue.stop();
  }
});
