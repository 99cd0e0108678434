/** A Redis whose clock is a minute behind the database's: what may begin now is given now, whoever puts it in the line. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JobRequest } from "../../../src/jobs/create.ts";
import type { ClaimedJob } from "../../../src/jobs/leases.ts";
import { createHarness, type Harness, textRequest, until } from "../../support/harness.ts";
import { startTestRedis, type TestRedis } from "../../support/redis.ts";
import { failureOf, resultOf } from "../jobs/steps.ts";

const BEHIND_MS = 60_000;

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(async () => await redis.stop());

// Alone: what Redis does not give, Postgres would give at the next look.
const harness = () =>
  createHarness({ redis: { urls: [redis.url], cluster: false, alone: true, behindMs: BEHIND_MS } });

async function create(h: Harness, change: Partial<JobRequest> = {}): Promise<string> {
  const { job } = await h.jobs.create(h.admin, textRequest("text", change));
  return job.id;
}

/** Creation answers before the queue is told; nothing else does. */
async function given(h: Harness): Promise<ClaimedJob> {
  return await until(async () => (await h.leases.claim("w", 1, Date.now))[0], "a job is given");
}

/** Waits for nothing: whatever put it in the line has answered. */
async function givenAtOnce(h: Harness): Promise<ClaimedJob> {
  const [claimed] = await h.leases.claim("w", 1, Date.now);
  if (!claimed) throw new Error(`nothing was given: ${JSON.stringify(await h.queue.depths())}`);
  return claimed;
}

test("a new job is given at once, one for later is not", async () => {
  await using h = await harness();
  const now = await create(h);
  const later = await create(h, { runTime: new Date(Date.now() + 30_000) });
  expect((await given(h)).job.id).toBe(now);
  await until(async () => (await h.queue.depths())[1]?.delayed === 1, "the other one is in the line");
  expect(await h.leases.claim("w", 5, Date.now)).toEqual([]);
  // Its time comes while it is in the line, and the next reconciliation sees it.
  await h.db.sql`update jobs set run_time = now() where id = ${later}`;
  await h.queue.reconcile();
  expect((await givenAtOnce(h)).job.id).toBe(later);
});

test("a job that comes back is given at once: handed back, failed without a delay, lost by its worker, retried", async () => {
  await using h = await harness();
  const id = await create(h);
  await h.leases.release([(await given(h)).lease]);
  // Often: the time of a row is rounded to milliseconds, up or down.
  for (let i = 0; i < 10; i++)
    await h.leases.fail(await givenAtOnce(h), { error: failureOf(true), retryInMs: 0 });
  await givenAtOnce(h);
  await h.db.sql`update jobs set lease_until = now() - interval '1 second' where id = ${id}`;
  await h.leases.sweep();
  await h.leases.fail(await givenAtOnce(h), { error: failureOf(false), retryInMs: null });
  await h.jobs.retry(h.admin, id);
  expect((await givenAtOnce(h)).job.id).toBe(id);
});

test("the next job of a key is given at once, whether the one before was done, cancelled or forgotten", async () => {
  await using h = await harness();
  const key = { concurrencyKey: "k" };
  const ids = [await create(h, key)];
  const first = await given(h);
  for (let i = 0; i < 3; i++) ids.push(await create(h, key));
  await h.leases.complete(first, resultOf("x"));
  expect((await h.queue.depths())[1]).toMatchObject({ waiting: 1 });
  await h.jobs.cancel(h.admin, ids[1] ?? "", "");
  expect((await givenAtOnce(h)).job.id).toBe(ids[2]);
  // As if its worker had died between its commit and the next word to the queue.
  await h.db.sql`update jobs set status = 'COMPLETED', ended_at = now() where status = 'PROCESSING'`;
  await h.queue.reconcile();
  expect((await givenAtOnce(h)).job.id).toBe(ids[3]);
});
