import { expect, test } from "vitest";
import { LeaseLostError } from "../../../src/jobs/errors.ts";
import { newEvent } from "../../../src/jobs/job-events.ts";
import type { ClaimedJob, Completion } from "../../../src/jobs/leases.ts";
import { createHarness, type Harness, textRequest, until } from "../../support/harness.ts";

const RESULT: Completion = {
  extractedText: "text",
  metadata: {},
  qualityScore: 1,
  outputUri: null,
  sizeBytes: 4,
  sha256: "00",
  contents: [{ format: "TEXT", content: null, objectKey: null, sizeBytes: 4, sha256: "00" }],
};

const STEP = { ended: null, started: null, stagesDone: 0, stagesTotal: 7, restored: 0, events: [] };
const logEvent = newEvent({ type: "log", level: "info", message: "hello" });

async function claimOne(h: Harness, workerId = "w"): Promise<ClaimedJob> {
  const [claimed] = await h.leases.claim(workerId, 1, Date.now);
  if (!claimed) throw new Error("nothing to claim");
  return claimed;
}

async function insertJobs(h: Harness, count: number): Promise<string[]> {
  const made = await h.jobs.createBatch(
    h.admin,
    Array.from({ length: count }, (_, i) => textRequest(`job ${i}`)),
  );
  return made.map((item) => {
    if (item instanceof Error) throw item;
    return item.job.id;
  });
}

test("workers that claim at once share the queue and never a job", async () => {
  await using h = await createHarness();
  const ids = await insertJobs(h, 40);
  const claims = await Promise.all(["a", "b", "c", "d", "e"].map((id) => h.leases.claim(id, 8, Date.now)));
  const claimed = claims.flat().map(({ job }) => job.id);
  const rest = await h.leases.claim("f", 40, Date.now);
  expect([...claimed, ...rest.map(({ job }) => job.id)].sort()).toEqual(ids.sort());
});

test("a claim takes high priority before normal before low, and older before newer", async () => {
  await using h = await createHarness();
  for (const [text, priority] of [
    ["l", "LOW"],
    ["n1", "NORMAL"],
    ["h", "HIGH"],
    ["n2", "NORMAL"],
  ] as const) {
    await h.jobs.create(h.admin, textRequest(text, { priority, labels: { text } }));
  }
  const claimed = await h.leases.claim("w", 10, Date.now);
  expect(claimed.map(({ job }) => job.labels.text)).toEqual(["h", "n1", "n2", "l"]);
});

test("a job with a run_time in the future is not claimed before it", async () => {
  await using h = await createHarness();
  await h.jobs.create(h.admin, textRequest("later", { runTime: new Date(Date.now() + 60_000) }));
  expect(await h.leases.claim("w", 10, Date.now)).toEqual([]);
});

test("every write of an attempt whose lease was taken back is refused and changes nothing", async () => {
  await using h = await createHarness({ leaseMs: 1_000 });
  await insertJobs(h, 1);
  const zombie = await claimOne(h, "zombie");
  await until(async () => (await h.leases.sweep()).length > 0, "the sweep takes the job back");
  const heir = await claimOne(h, "heir");
  const before = await h.jobs.get(h.admin, heir.job.id);

  await expect(h.leases.step(zombie.lease, { ...STEP, events: [logEvent] })).rejects.toThrow(LeaseLostError);
  await expect(
    h.leases.progress(zombie.lease, { share: 1, message: null, events: [logEvent] }),
  ).rejects.toThrow(LeaseLostError);
  expect(await h.leases.complete(zombie, RESULT)).toBeNull();
  const error = { reason: "STAGE_FAILED", message: "late", retryable: true };
  expect(await h.leases.fail(zombie, { error, retryInMs: null })).toBeNull();
  expect(await h.leases.cancelled(zombie)).toBe(false);
  await h.leases.release([zombie.lease]);
  const worker = {
    id: "zombie",
    host: "h",
    version: "v",
    pid: 1,
    concurrency: 1,
    running: 1,
    draining: false,
  };
  expect((await h.heartbeats.renew(worker, [zombie.lease])).leases).toEqual([]);

  const after = await h.jobs.get(h.admin, heir.job.id);
  expect(after.job).toEqual(before.job);
  expect(await h.leases.complete(heir, RESULT)).toEqual({ orphans: [] });
});

test("a job completes once: a second completion with the same lease changes nothing", async () => {
  await using h = await createHarness();
  await insertJobs(h, 1);
  const claimed = await claimOne(h);
  const answers = await Promise.all([1, 2, 3, 4].map(() => h.leases.complete(claimed, RESULT)));
  expect(answers.filter((answer) => answer !== null)).toHaveLength(1);
  const events = await h.db.sql<{ status: string }[]>`
    select payload->>'status' as status from job_events where job_id = ${claimed.job.id} order by sequence`;
  expect(events.map(({ status }) => status)).toEqual(["CREATED", "PROCESSING", "COMPLETED"]);
});

test("three workers lost on one job set it aside with the evidence instead of taking a fourth", async () => {
  await using h = await createHarness({ leaseMs: 1_000 });
  const [id = ""] = await insertJobs(h, 1);
  for (const worker of ["w1", "w2", "w3"]) {
    await claimOne(h, worker);
    await until(
      async () => (await h.leases.sweep()).length > 0,
      `the sweep takes the job back from ${worker}`,
    );
  }
  const { job } = await h.jobs.get(h.admin, id);
  expect(job.status).toBe("FAILED");
  expect(job.error).toMatchObject({ reason: "QUARANTINED", retryable: false });
  expect(job.error?.message).toContain("w3");
});

test("a job handed back by a stopping worker keeps its attempts", async () => {
  await using h = await createHarness();
  const [id = ""] = await insertJobs(h, 1);
  const claimed = await claimOne(h);
  expect(claimed.job.attempt).toBe(1);
  await h.leases.release([claimed.lease]);
  const { job } = await h.jobs.get(h.admin, id);
  expect(job).toMatchObject({ status: "CREATED", attempt: 0 });
});

test("a failure that may be tried again waits for its time and counts the attempt", async () => {
  await using h = await createHarness();
  await insertJobs(h, 1);
  const claimed = await claimOne(h);
  const error = { reason: "STAGE_FAILED", message: "busy", retryable: true };
  expect(await h.leases.fail(claimed, { error, retryInMs: 60_000 })).toBe("CREATED");
  const { job, waiting } = await h.jobs.get(h.admin, claimed.job.id);
  expect(job).toMatchObject({ status: "CREATED", attempt: 1, error: { reason: "STAGE_FAILED" } });
  expect(waiting).toMatchObject({ reason: "RETRY_BACKOFF", estimatedStartTime: job.runTime });
  expect(await h.leases.claim("w", 1, Date.now)).toEqual([]);
});

test("a heartbeat brings the order to cancel, and only the holder of the lease confirms it", async () => {
  await using h = await createHarness();
  await insertJobs(h, 1);
  const claimed = await claimOne(h);
  const cancelling = await h.jobs.cancel(h.admin, claimed.job.id, "");
  expect(cancelling.job.status).toBe("CANCELLING");
  const worker = { id: "w", host: "h", version: "v", pid: 1, concurrency: 1, running: 1, draining: false };
  expect((await h.heartbeats.renew(worker, [claimed.lease])).leases).toMatchObject([
    { token: claimed.lease.token, cancel: true },
  ]);
  expect(await h.leases.complete(claimed, RESULT)).toBeNull();
  expect(await h.leases.cancelled(claimed)).toBe(true);
  expect((await h.jobs.get(h.admin, claimed.job.id)).job.status).toBe("CANCELLED");
});

test("a cancelling job whose worker died is cancelled by the sweep", async () => {
  await using h = await createHarness({ leaseMs: 1_000 });
  await insertJobs(h, 1);
  const claimed = await claimOne(h);
  await h.jobs.cancel(h.admin, claimed.job.id, "");
  await until(async () => (await h.leases.sweep()).length > 0, "the sweep finds the job");
  expect((await h.jobs.get(h.admin, claimed.job.id)).job.status).toBe("CANCELLED");
});

test("of one owner's jobs with the same concurrency key one runs at a time, however many claim", async () => {
  await using h = await createHarness();
  const someone = h.caller();
  for (const caller of [h.admin, h.admin, h.admin, someone]) {
    await h.jobs.create(caller, textRequest("t", { concurrencyKey: "k" }));
  }
  await h.jobs.create(h.admin, textRequest("free"));
  const running: ClaimedJob[] = [];
  for (let round = 1; round <= 3; round++) {
    const claims = await Promise.all(["a", "b", "c", "d"].map((id) => h.leases.claim(id, 5, Date.now)));
    running.push(...claims.flat());
    const mine = running.filter(({ job }) => job.ownerId === h.admin.userId && job.concurrencyKey === "k");
    expect(mine).toHaveLength(round);
    const [last] = mine.slice(-1);
    if (last) await h.leases.complete(last, RESULT);
  }
  expect(running).toHaveLength(5);
});

test("GetJob names the job that holds the concurrency key", async () => {
  await using h = await createHarness();
  for (let i = 0; i < 2; i++) await h.jobs.create(h.admin, textRequest("t", { concurrencyKey: "k" }));
  const worker = { id: "w", host: "h", version: "v", pid: 1, concurrency: 1, running: 1, draining: false };
  const holder = await claimOne(h);
  await h.heartbeats.renew(worker, [holder.lease]);
  const waiting = (await h.jobs.list(h.admin, { statuses: ["CREATED"] }, { limit: 1, beforeId: null }))[0];
  const { waiting: why } = await h.jobs.get(h.admin, waiting?.job.id ?? "");
  expect(why?.reason).toBe("CONCURRENCY_KEY");
  expect(why?.message).toContain(holder.job.id);
});

test("an owner with many jobs delays another's first by no more than the others' turns", async () => {
  await using h = await createHarness();
  const [many, few, one] = [h.caller(), h.caller(), h.caller()];
  const crowd = await h.jobs.createBatch(
    many,
    Array.from({ length: 200 }, () => textRequest("many")),
  );
  expect(crowd).toHaveLength(200);
  for (const caller of [few, few, one]) await h.jobs.create(caller, textRequest("few"));
  const order: string[] = [];
  for (let i = 0; i < 8; i++) order.push((await claimOne(h)).job.ownerId);
  const firstOf = (caller: { userId: string }) => order.indexOf(caller.userId);
  expect(firstOf(few)).toBeLessThan(3);
  expect(firstOf(one)).toBeLessThan(3);
  expect(order.filter((owner) => owner === few.userId)).toHaveLength(2);
  // In one batch too: one of each before a second of any.
  for (const caller of [few, few, one]) await h.jobs.create(caller, textRequest("again"));
  const batch = await h.leases.claim("w", 6, Date.now);
  const owners = batch.map(({ job }) => job.ownerId);
  expect([few, one, many].every(({ userId }) => owners.includes(userId))).toBe(true);
  expect(owners.filter((owner) => owner === few.userId)).toHaveLength(2);
});

test("while higher jobs keep coming, a LOW one is begun within sixteen", async () => {
  await using h = await createHarness();
  const { job: low } = await h.jobs.create(h.admin, textRequest("low", { priority: "LOW" }));
  const high = Array.from({ length: 40 }, () => textRequest("high", { priority: "HIGH" }));
  await h.jobs.createBatch(h.caller(), high);
  const begun: string[] = [];
  while (!begun.includes(low.id)) begun.push((await claimOne(h)).job.id);
  expect(begun.length).toBeLessThanOrEqual(16);
  expect(begun.length).toBeGreaterThan(1);
});
