import { expect, test } from "vitest";
import { WorkerIdTakenError } from "../../../src/jobs/errors.ts";
import type { WorkerFacts } from "../../../src/jobs/heartbeats.ts";
import { newId } from "../../../src/lib/ids.ts";
import { HealthError } from "../../../src/rpc/health-checks.ts";
import { createHarness, type Harness, until } from "../../support/harness.ts";
import { claimOne, createJob, outcomeOf, resultOf } from "../jobs/steps.ts";
import { startTestWorker, untilAborted } from "./worker-harness.ts";

const processOf = (pid: number): WorkerFacts => ({
  id: "worker-0",
  instance: newId(),
  host: `host-${pid}`,
  version: "v",
  pid,
  concurrency: 2,
  running: 0,
  draining: false,
});

/** The entry of the id was last heard of so long ago. */
async function silentFor(h: Harness, seconds: number): Promise<void> {
  await h.db.sql`update workers set heartbeat_at = now() - ${seconds} * interval '1 second'`;
}

async function holderOf(h: Harness, id = "worker-0"): Promise<number | undefined> {
  const [row] = await h.db.sql<{ pid: number }[]>`select pid from workers where id = ${id}`;
  return row?.pid;
}

test("a second process with the id of a worker that is alive is refused in one sentence, and the first goes on", async () => {
  await using h = await createHarness();
  const [first, second] = [processOf(1), processOf(2)];
  await h.heartbeats.register(first);
  await silentFor(h, 20);
  const refusal = await outcomeOf(h.heartbeats.register(second));
  expect(refusal).toBeInstanceOf(WorkerIdTakenError);
  expect((refusal as Error).message).toBe(
    "The worker id worker-0 is taken by process 1 on host-1, which was alive 20 s ago: give this worker another id in SLUICE_WORKER_ID, or end that process and wait 30 s.",
  );
  await h.heartbeats.signOff(second);
  expect(await h.heartbeats.renew(first, [])).toEqual({ isDisplaced: false, leases: [] });
  expect(await holderOf(h)).toBe(1);
});

test("of many that start with one id at once, one has it, and the others are told who", async () => {
  await using h = await createHarness();
  const all = Array.from({ length: 10 }, (_, i) => processOf(i + 1));
  const outcomes = await Promise.all(all.map((facts) => outcomeOf(h.heartbeats.register(facts))));
  const refused = outcomes.filter((outcome) => outcome instanceof Error);
  expect(refused).toHaveLength(9);
  const holder = await holderOf(h);
  for (const { message } of refused) expect(message).toContain(`process ${holder} on host-${holder}`);
});

test("the id of a worker that is gone is taken over; should it come back, it is told, and keeps its leases", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const [first, second] = [processOf(1), processOf(2)];
  await h.heartbeats.register(first);
  const claimed = await claimOne(h, first.id);
  await silentFor(h, 31);
  await h.heartbeats.register(second);

  expect(await h.heartbeats.renew(first, [claimed.lease])).toMatchObject({
    isDisplaced: true,
    leases: [{ token: claimed.lease.token, renewed: true }],
  });
  // Two in one name: each ends its own job.
  await createJob(h);
  const other = await claimOne(h, second.id);
  expect(await h.leases.complete(other, resultOf("x"))).not.toBeNull();
  expect((await h.jobs.get(h.admin, id)).job.status).toBe("PROCESSING");
  expect(await h.leases.complete(claimed, resultOf("x"))).not.toBeNull();
  await h.heartbeats.signOff(first);
  expect(await h.heartbeats.renew(second, [])).toMatchObject({ isDisplaced: false });
  expect(await holderOf(h)).toBe(2);
});

test("a worker whose id was taken ends what it runs, begins nothing more and is not healthy", async () => {
  await using h = await createHarness();
  const held = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const w = await startTestWorker(h, {
    id: "worker-0",
    beforeStage: async ({ stageType, signal }) => {
      if (stageType !== "enrich") return;
      held.resolve();
      await Promise.race([release.promise, untilAborted(signal)]);
    },
  });
  w.worker.check();
  const running = await createJob(h);
  await held.promise;
  await silentFor(h, 31);
  await h.db.sql`update workers set instance = ${newId()} where id = 'worker-0'`;
  await until(async () => (await outcomeOf((async () => w.worker.check())())) instanceof HealthError, "told");
  const waiting = await createJob(h);
  release.resolve();
  expect(await w.worker.displaced).toBe(
    "Another process works under the worker id worker-0, so this one has ended. Give each worker an id of its own in SLUICE_WORKER_ID.",
  );
  expect((await h.jobs.get(h.admin, running)).job).toMatchObject({ status: "COMPLETED", attempt: 1 });
  expect((await h.jobs.get(h.admin, waiting)).job).toMatchObject({ status: "CREATED", attempt: 0 });
  await w[Symbol.asyncDispose]();
  expect(await holderOf(h)).toBeDefined();
});
