import { expect, test } from "vitest";
import { createHarness, until } from "../../support/harness.ts";
import { claimOne, createJob, statusesOf } from "../jobs/steps.ts";
import { startTestWorker, untilAborted } from "./worker-harness.ts";

const facts = { id: "w", host: "h", version: "v", pid: 1, concurrency: 2, running: 2, draining: false };

test("a job that another transaction has locked holds up the renewal of no other, and its lease holds", async () => {
  await using h = await createHarness();
  await createJob(h);
  await createJob(h);
  const [locked, free] = [(await claimOne(h)).lease, (await claimOne(h)).lease];
  await h.db.begin(async (tx) => {
    await tx`select from jobs where id = ${locked.jobId} for update`;
    const { leases } = await h.heartbeats.renew(facts, [locked, free]);
    expect(new Map(leases.map(({ token, renewed }) => [token, renewed]))).toEqual(
      new Map([
        [locked.token, false],
        [free.token, true],
      ]),
    );
  });
  expect((await h.heartbeats.renew(facts, [locked])).leases).toMatchObject([{ renewed: true }]);
});

test("an event that is being written to a job does not keep its lease from being renewed", async () => {
  await using h = await createHarness();
  await createJob(h);
  const { lease } = await claimOne(h);
  await h.db.begin(async (tx) => {
    await tx`insert into job_events (job_id, sequence, owner_id, type, payload)
      values (${lease.jobId}, 99, ${h.admin.userId}, 'log', '{}')`;
    expect((await h.heartbeats.renew(facts, [lease])).leases).toMatchObject([{ renewed: true }]);
  });
});

test("while the sweep is stuck and every other connection of the process is busy, leases are renewed", async () => {
  await using h = await createHarness({ leaseMs: 2_000 });
  const held = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  await using _w = await startTestWorker(h, {
    beforeStage: async ({ stageType, signal }) => {
      if (stageType !== "enrich") return;
      held.resolve();
      await Promise.race([release.promise, untilAborted(signal)]);
    },
  });
  const id = await createJob(h);
  await held.promise;
  await h.db.sql`insert into workers (id, host, version, pid, concurrency, heartbeat_at)
    values ('long gone', 'h', 'v', 1, 1, now() - interval '2 hours')`;
  await h.db.begin(async (tx) => {
    await tx`select from workers where id = 'long gone' for update`;
    const stuck = h.leases.sweep().catch(() => []);
    const busy = Array.from({ length: 4 }, () => h.db.sql`select pg_sleep(3)`.execute());
    // Longer than a lease: without renewals it would have run out.
    await Promise.all(busy);
    const [row] = await tx<{ holds: boolean }[]>`
      select lease_until > clock_timestamp() as holds from jobs where id = ${id}`;
    expect(row?.holds).toBe(true);
    void stuck;
  });
  release.resolve();
  await until(async () => (await h.jobs.get(h.admin, id)).job.status === "COMPLETED", "the job is done");
  expect(await statusesOf(h, id)).toEqual(["CREATED", "PROCESSING", "COMPLETED"]);
}, 90_000);
