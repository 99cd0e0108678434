import { expect, test } from "vitest";
import { claimOne, completedJob, createJob, resultOf } from "../jobs/steps.ts";
import {
  auditOfDoctor,
  connectedServer,
  createHarness,
  type Harness,
  visit,
  workerFacts,
} from "./doctor-harness.ts";

/** A running job whose worker is in the table of workers. */
async function runningJob(h: Harness, worker = "w"): Promise<string> {
  await h.heartbeats.renew(workerFacts(worker), []);
  const id = await createJob(h);
  await claimOne(h, worker);
  return id;
}

const expire = (h: Harness, id: string, seconds = 60) =>
  h.db.sql`update jobs set lease_until = now() - ${seconds}::int * interval '1 second' where id = ${id}`;

const statusOf = async (h: Harness, id: string) =>
  (await h.db.sql<[{ status: string }]>`select status from jobs where id = ${id}`)[0].status;

test("a lease that ran out long ago beside servers that should have swept it is a fault, and repair takes the job back", async () => {
  await using h = await createHarness();
  await using _server = await connectedServer(h);
  const id = await runningJob(h);
  expect((await visit(h)).of("leases")).toMatchObject([{ level: "ok" }]);
  await expire(h, id);
  const found = await visit(h);
  expect(found.of("leases")).toMatchObject([
    {
      level: "fault",
      code: "LEASE_EXPIRED",
      count: 1,
      ids: [id],
      message: expect.stringMatching(/up to 6\d s ago/),
    },
  ]);
  expect(await statusOf(h, id)).toBe("PROCESSING");

  const after = await visit(h, { repair: true });
  expect(after.mends("leases")).toMatchObject([
    { count: 1, ids: [id], message: "1 job taken back from workers that are gone, 1 in the line again" },
  ]);
  expect(after.of("leases")).toMatchObject([{ level: "ok" }]);
  expect(after.outcome.faults).toBe(0);
  expect(await statusOf(h, id)).toBe("CREATED");
  expect(await auditOfDoctor(h)).toEqual([{ action: "jobs.take_back", resourceId: id }]);
  expect((await claimOne(h)).job.id).toBe(id);
});

test("where nothing runs, or something has just started, the same lease is a warning; one of a moment ago is nothing", async () => {
  await using h = await createHarness();
  const id = await runningJob(h);
  await expire(h, id);
  expect((await visit(h)).of("leases")).toMatchObject([
    { level: "warn", code: "LEASE_EXPIRED", message: expect.stringMatching(/nothing runs/) },
  ]);
  await using _server = await connectedServer(h);
  expect((await visit(h, { sweepMs: 3_600_000 })).of("leases")).toMatchObject([{ level: "ok" }]);
  await expire(h, id, 36_000);
  expect((await visit(h, { sweepMs: 3_600_000 })).of("leases")).toMatchObject([
    { level: "warn", message: expect.stringMatching(/just started/) },
  ]);
});

test("a job that lost its third worker is set aside by the repair, one that was to be cancelled is cancelled", async () => {
  await using h = await createHarness();
  const poison = await runningJob(h);
  const cancelled = await runningJob(h);
  await h.jobs.cancel(h.admin, cancelled, "");
  await h.db.sql`update jobs set lost_claims = 2 where id = ${poison}`;
  await expire(h, poison);
  await expire(h, cancelled);
  const { mends } = await visit(h, { repair: true });
  expect(mends("leases")[0]?.message).toMatch(/1 set aside as QUARANTINED/);
  expect([await statusOf(h, poison), await statusOf(h, cancelled)]).toEqual(["FAILED", "CANCELLED"]);
});

test.each(["lease_token", "lease_until"])(
  "a running job without %s is a fault, and repair lets the sweep take it",
  async (column) => {
    await using h = await createHarness();
    const id = await runningJob(h);
    await h.db.sql`update jobs set ${h.db.sql(column)} = null where id = ${id}`;
    expect((await visit(h)).of("leases")).toMatchObject([
      { level: "fault", code: "LEASE_MISSING", ids: [id] },
    ]);
    const { of, mends } = await visit(h, { repair: true, leaseMs: 1 });
    expect(mends("leases")).toMatchObject([{ code: "LEASE_MISSING", ids: [id] }]);
    expect(of("leases").filter(({ code }) => code === "LEASE_MISSING")).toEqual([]);
    expect(await auditOfDoctor(h)).toContainEqual({ action: "jobs.give_lease", resourceId: id });
    expect(await h.leases.sweep()).toMatchObject([{ id, status: "CREATED" }]);
  },
);

test("a worker whose job has lost the end of its lease keeps it by its next heartbeat", async () => {
  await using h = await createHarness();
  await h.heartbeats.renew(workerFacts("w"), []);
  await createJob(h);
  const claimed = await claimOne(h);
  await h.db.sql`update jobs set lease_until = null`;
  await visit(h, { repair: true });
  expect((await h.heartbeats.renew(workerFacts("w"), [claimed.lease])).leases).toHaveLength(1);
  expect(await h.leases.complete(claimed, resultOf("x"))).not.toBeNull();
});

test("a running job of a worker that is not in the table is a warning", async () => {
  await using h = await createHarness();
  const id = await runningJob(h, "gone");
  await h.heartbeats.signOff(workerFacts("gone"));
  expect((await visit(h)).of("leases")).toMatchObject([{ level: "warn", code: "WORKER_UNKNOWN", ids: [id] }]);
});

test("workers that are alive, lost, forgotten and of another version are told apart", async () => {
  await using h = await createHarness();
  expect((await visit(h)).of("workers")).toMatchObject([{ level: "warn", code: "NOTHING_RUNS" }]);
  await using _server = await connectedServer(h);
  expect((await visit(h)).of("workers")).toMatchObject([{ level: "warn", code: "NO_WORKER" }]);

  await h.heartbeats.renew(workerFacts("one", { concurrency: 4, running: 3 }), []);
  expect((await visit(h)).of("workers")).toEqual([
    { level: "ok", code: "OK", message: "1 worker alive, 3 of 4 places taken" },
  ]);
  expect((await visit(h, { version: "9" })).of("workers")).toMatchObject([
    { level: "ok" },
    { level: "info", code: "VERSION_OTHER" },
  ]);
  await h.heartbeats.renew(workerFacts("two", { version: "old" }), []);
  expect((await visit(h)).of("workers")).toMatchObject([
    { level: "warn", code: "VERSIONS_MIXED", message: expect.stringContaining("old (1 worker)") },
  ]);
  await h.db.sql`update workers set heartbeat_at = now() - interval '5 minutes' where id = 'two'`;
  expect((await visit(h)).of("workers")).toMatchObject([
    { level: "warn", code: "WORKERS_LOST", ids: ["two"] },
  ]);
  await h.heartbeats.renew({ ...workerFacts("one"), draining: true }, []);
  expect((await visit(h)).wrong).toContain("workers: NO_WORKER");
});

test("a worker of long ago is forgotten by the repair, and one that is only lost is not", async () => {
  await using h = await createHarness();
  await using _server = await connectedServer(h);
  for (const id of ["alive", "lost", "old"]) await h.heartbeats.renew(workerFacts(id), []);
  await h.db.sql`update workers set heartbeat_at = now() - interval '2 hours' where id = 'old'`;
  await h.db.sql`update workers set heartbeat_at = now() - interval '50 minutes' where id = 'lost'`;
  expect((await visit(h)).wrong).toEqual(["workers: WORKERS_LOST", "workers: WORKERS_FORGOTTEN"]);
  const { mends, wrong } = await visit(h, { repair: true });
  expect(mends("workers")).toMatchObject([{ code: "WORKERS_FORGOTTEN", ids: ["old"] }]);
  expect(wrong).toEqual(["workers: WORKERS_LOST"]);
  expect(await h.db.sql`select id from workers order by id`).toMatchObject([{ id: "alive" }, { id: "lost" }]);
});

test("a paused queue is a warning while jobs wait, and says since when, by whom and why", async () => {
  await using h = await createHarness();
  const [user] = await h.db.sql<{ id: string }[]>`
    insert into users (id, email) values (gen_random_uuid(), 'op@example.org') returning id`;
  await h.db.sql`update queue_state set paused = true, reason = 'new disk', changed_by = ${user?.id ?? ""},
    changed_at = now() - interval '3 hours'`;
  expect((await visit(h)).of("queue")).toMatchObject([{ level: "info", code: "QUEUE_PAUSED" }]);
  await createJob(h);
  expect((await visit(h)).of("queue")).toMatchObject([
    {
      level: "warn",
      message: 'paused for 3 h by op@example.org ("new disk"); 1 job waits',
      advice: expect.stringContaining("sluice queue resume"),
    },
  ]);
});

test("jobs that could begin for minutes beside free workers, while none begins, are a fault", async () => {
  await using h = await createHarness();
  await completedJob(h);
  const id = await createJob(h);
  await h.heartbeats.renew(workerFacts("w"), []);
  await h.db.sql`update jobs set run_time = now() - interval '10 minutes' where id = ${id}`;
  // A job has begun a moment ago: the workers are at it.
  expect((await visit(h)).of("queue")).toMatchObject([
    { level: "ok", message: "1 job waits (the oldest for 10 min), 0 run" },
  ]);
  await h.db.sql`update jobs set started_at = now() - interval '5 minutes' where status = 'COMPLETED'`;
  expect((await visit(h)).of("queue")).toMatchObject([
    {
      level: "fault",
      code: "QUEUE_STUCK",
      count: 1,
      ids: [id],
      message: expect.stringMatching(/for 5 min$/),
    },
  ]);
  await h.heartbeats.renew(workerFacts("w", { running: 2 }), []);
  expect((await visit(h)).of("queue")).toMatchObject([{ level: "ok" }]);
});

test("jobs that their time or their key holds back do not make the queue stuck", async () => {
  await using h = await createHarness();
  const ids = [await createJob(h), await createJob(h), await createJob(h)];
  await h.db
    .sql`update jobs set owner_id = ${h.admin.userId}, concurrency_key = 'k' where id in ${h.db.sql(ids.slice(0, 2))}`;
  await claimOne(h);
  await h.db
    .sql`update jobs set started_at = now() - interval '5 minutes', run_time = now() - interval '10 minutes'`;
  await h.db.sql`update jobs set run_time = now() + interval '1 hour' where id = ${ids[2] ?? ""}`;
  await h.heartbeats.renew(workerFacts("w", { running: 1 }), []);
  const held = [{ level: "ok", message: "0 jobs wait, 1 runs" }];
  expect((await visit(h)).of("queue")).toMatchObject(held);
  // For a moment, until it is parked again, one may stand in the line whose key is taken.
  await h.db.sql`update jobs set parked = false`;
  expect((await visit(h)).of("queue")).toMatchObject(held);
});

test("servers that no longer compare the queue with the jobs are a fault", async () => {
  await using h = await createHarness();
  await using _server = await connectedServer(h);
  await h.db.sql`update queue_state set reconciled_at = '-infinity'`;
  expect((await visit(h)).of("queue")).toMatchObject([{ level: "fault", code: "QUEUE_UNHEEDED" }]);
  await h.db.sql`update queue_state set reconciled_at = now()`;
  expect((await visit(h, { sweepMs: 5_000 })).of("queue")).toMatchObject([{ level: "ok" }]);
  await h.db.sql`update queue_state set reconciled_at = now() - interval '10 minutes'`;
  expect((await visit(h)).of("queue")).toMatchObject([
    { level: "fault", code: "QUEUE_UNHEEDED", message: expect.stringMatching(/not for 10 min/) },
  ]);
});

test("more running jobs than their concurrency key allows are a fault; as many as it allows are not", async () => {
  await using h = await createHarness();
  const ids = [await runningJob(h), await runningJob(h)].toSorted();
  await h.db.sql`drop index jobs_running_by_key`;
  await h.db.sql`update jobs set concurrency_key = 'k', concurrency_limit = 2`;
  expect((await visit(h)).of("concurrency keys")).toMatchObject([{ level: "ok" }]);
  await h.db.sql`update jobs set concurrency_limit = 1`;
  expect((await visit(h)).of("concurrency keys")).toMatchObject([
    { level: "fault", code: "KEY_OVERRUN", count: 2, ids },
  ]);
  await h.db.sql`update jobs set owner_id = gen_random_uuid()`;
  expect((await visit(h)).of("concurrency keys")).toMatchObject([{ level: "ok" }]);
});
