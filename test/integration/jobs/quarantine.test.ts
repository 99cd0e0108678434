import { expect, test } from "vitest";
import { errorToMessage, eventToMessage } from "../../../src/jobs/convert.ts";
import { newEvent } from "../../../src/jobs/job-events.ts";
import type { ClaimedJob } from "../../../src/jobs/leases.ts";
import { createHarness, type Harness } from "../../support/harness.ts";
import { claimOne, createJob, eventsOf } from "./steps.ts";

const MIB = 1024 * 1024;
const facts = (id: string) => ({
  id,
  host: "h",
  version: "v",
  pid: 1,
  concurrency: 1,
  running: 1,
  draining: false,
});

/** What a worker tells of an attempt before it is lost. */
interface Life {
  readonly stage?: string;
  readonly message?: string;
  readonly logs?: readonly string[];
  /** What it told with its heartbeats, one after the other. */
  readonly peaks?: readonly number[];
}

async function live(h: Harness, { lease }: ClaimedJob, worker: string, life: Life): Promise<void> {
  const { stage, message = null, logs = [], peaks = [] } = life;
  if (stage) {
    const started = { position: 2, name: stage, type: stage };
    await h.leases.step(lease, {
      ended: null,
      started,
      stagesDone: 2,
      stagesTotal: 7,
      restored: 0,
      events: [],
    });
    const events = logs.map((text) => newEvent({ type: "log", level: "info", message: text, stage }));
    await h.leases.progress(lease, { share: 0.5, message, events });
  }
  for (const peakMemoryBytes of peaks) {
    await h.heartbeats.renew(facts(worker), [{ ...lease, peakMemoryBytes }]);
  }
}

/** Claims the job that waits, and loses it after what `life` tells. */
async function lose(h: Harness, worker: string, life: Life) {
  await live(h, await claimOne(h, worker), worker, life);
  await h.db.sql`update jobs set lease_until = now() - interval '1 second' where status = 'PROCESSING'`;
  return await h.leases.sweep();
}

test("a job that is set aside shows what was seen: stage, page, memory, workers and last log lines", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const lines = ["one", "two", "three", "four", "five", "six", "seven"];
  await lose(h, "w1", { stage: "extract", message: "page 3 of 12", peaks: [80 * MIB, 300 * MIB, 200 * MIB] });
  await lose(h, "w2", {});
  await lose(h, "w3", { stage: "extract", message: "page 4 of 12", logs: lines, peaks: [100 * MIB] });

  const { job } = await h.jobs.get(h.admin, id);
  expect(job).toMatchObject({ status: "FAILED", peakMemoryBytes: 100 * MIB });
  expect(job.error).toMatchObject({ reason: "QUARANTINED", retryable: false, stage: "extract" });
  expect(job.error?.message).toBe(
    "The job was set aside: 3 workers stopped answering while they ran it, the last of them w3, in stage extract, page 4 of 12, 100 MiB of memory in use. Look at the document before you retry it.",
  );
  const evidence = errorToMessage(job.error)?.evidence;
  expect(evidence).toMatchObject({
    stage: "extract",
    stageMessage: "page 4 of 12",
    peakMemoryBytes: BigInt(300 * MIB),
    logLines: lines.slice(-5),
    lostClaims: [
      { workerId: "w1", stage: "extract", stageMessage: "page 3 of 12", peakMemoryBytes: BigInt(300 * MIB) },
      // Nothing of the claim before is told of one that died before it began.
      { workerId: "w2", stage: "", stageMessage: "", peakMemoryBytes: 0n },
      { workerId: "w3", stage: "extract", stageMessage: "page 4 of 12", peakMemoryBytes: BigInt(100 * MIB) },
    ],
  });
  for (const { lastHeartbeatTime } of evidence?.lostClaims ?? []) {
    expect(Math.abs(Number(lastHeartbeatTime?.seconds) * 1000 - Date.now())).toBeLessThan(60_000);
  }
});

test("each lost claim is in the events, with what was seen of it", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  await lose(h, "w1", { stage: "extract", message: "page 3 of 12", peaks: [80 * MIB] });
  await lose(h, "w2", {});
  const lost = (await eventsOf(h, id)).map(eventToMessage).flatMap(({ event }) => {
    return event.case === "statusChanged" && event.value.lostClaim ? [event.value.lostClaim] : [];
  });
  expect(lost).toMatchObject([
    {
      workerId: "w1",
      stage: "extract",
      stageMessage: "page 3 of 12",
      peakMemoryBytes: BigInt(80 * MIB),
    },
    { workerId: "w2", stage: "", stageMessage: "", peakMemoryBytes: 0n },
  ]);
});

test("a job that is retried after it was set aside is judged by what is seen from then on", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  for (const worker of ["w1", "w2", "w3"]) await lose(h, worker, { stage: "extract" });
  await h.jobs.retry(h.admin, id);
  expect((await h.jobs.get(h.admin, id)).job.error).toBeNull();
  for (const worker of ["w4", "w5", "w6"]) await lose(h, worker, {});
  const { job } = await h.jobs.get(h.admin, id);
  expect(job.error?.evidence?.lostClaims.map(({ workerId }) => workerId)).toEqual(["w4", "w5", "w6"]);
  expect(job.error?.message).toContain("the last of them w6. Look");
});

test("jobs that were set aside are counted apart, and as failed", async () => {
  await using h = await createHarness();
  await createJob(h);
  for (const worker of ["w1", "w2", "w3"]) await lose(h, worker, {});
  const labels = { pipeline: "default", priority: "NORMAL" };
  expect((await h.metrics.jobsQuarantined.get()).values).toEqual([{ value: 1, labels }]);
  expect((await h.metrics.jobsFailed.get()).values).toEqual([
    { value: 1, labels: { ...labels, reason: "QUARANTINED" } },
  ]);
});

test("the peak of memory only grows within an attempt, and begins anew with the next", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const peak = async () => (await h.jobs.get(h.admin, id)).job.peakMemoryBytes;
  const first = await claimOne(h);
  expect(await peak()).toBeNull();
  await live(h, first, "w", { stage: "extract", peaks: [20, 30, 10] });
  expect(await peak()).toBe(30);
  await h.leases.release([first.lease]);
  await claimOne(h);
  expect(await peak()).toBeNull();
});

test("claims that are lost while the database itself was away count for nothing", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  for (let loss = 0; loss < 5; loss++) {
    await claimOne(h);
    // The last heartbeat came before the server started.
    await h.db.sql`update jobs set lease_until = now() - interval '1 second',
      heartbeat_at = pg_postmaster_start_time() - interval '1 second' where id = ${id}`;
    expect(await h.leases.sweep()).toMatchObject([{ id, status: "CREATED" }]);
  }
  const [row] = await h.db.sql`select lost_claims, lost_evidence, attempt from jobs where id = ${id}`;
  expect(row).toMatchObject({ lostClaims: 0, attempt: 0 });
  expect(row?.lostEvidence ?? []).toEqual([]);
});
