import { expect, test } from "vitest";
import { LeaseLostError } from "../../../src/jobs/errors.ts";
import { newEvent } from "../../../src/jobs/job-events.ts";
import type { ClaimedJob, Lease } from "../../../src/jobs/leases.ts";
import { createHarness, type Harness } from "../../support/harness.ts";
import { claimOne, createJob, failureOf, outcomeOf, resultOf } from "./steps.ts";

const facts = { id: "w", host: "h", version: "v", pid: 1, concurrency: 2, running: 2, draining: false };
const events = [newEvent({ type: "log", level: "info", message: "from another job" })];
const STEP = { ended: null, stagesDone: 3, stagesTotal: 7, restored: 0, events };
const START = { position: 3, name: "normalize", type: "normalize" };
const END = {
  position: 2,
  status: "SUCCEEDED" as const,
  error: null,
  fromCheckpoint: false,
  checkpointKey: "key",
  checkpoint: Buffer.from("{}"),
  checkpointObject: null,
};

/** Every write of a worker, and what it answers when it is refused. */
const WRITES: Record<string, (h: Harness, lease: Lease, claimed: ClaimedJob) => Promise<unknown>> = {
  "the start of a stage": (h, lease) => h.leases.step(lease, { ...STEP, started: START }),
  "the end of a stage": (h, lease) => h.leases.step(lease, { ...STEP, ended: END, started: null }),
  progress: (h, lease) => h.leases.progress(lease, { share: 0.9, message: "page 9 of 9", events }),
  completion: (h, _lease, claimed) => h.leases.complete(claimed, resultOf("another's text")),
  failure: (h, _lease, claimed) => h.leases.fail(claimed, { error: failureOf(false), retryInMs: null }),
  "failure that is tried again": (h, _lease, claimed) =>
    h.leases.fail(claimed, { error: failureOf(true), retryInMs: 0 }),
  "the end of a cancel": (h, _lease, claimed) => h.leases.cancelled(claimed),
  release: (h, lease) => h.leases.release([lease]),
  heartbeat: async (h, lease) =>
    (await h.heartbeats.renew(facts, [{ ...lease, peakMemoryBytes: 12_345 }])).leases,
};
const REFUSALS: readonly unknown[] = [null, false];

/** All that is known of all jobs. */
async function everything(h: Harness): Promise<unknown> {
  const [row] = await h.db.sql`select
    (select jsonb_agg(to_jsonb(j) order by j.id) from jobs j) as jobs,
    (select jsonb_agg(to_jsonb(s) order by s.job_id, s.position) from job_stages s) as stages,
    (select jsonb_agg(to_jsonb(e) order by e.job_id, e.sequence) from job_events e) as events,
    (select count(*)::int from job_results) as results`;
  return row;
}

async function twoJobs(h: Harness): Promise<[ClaimedJob, ClaimedJob]> {
  const ids = [await createJob(h), await createJob(h)];
  const claimed = [await claimOne(h, "a"), await claimOne(h, "b")] as const;
  for (const { lease } of claimed) {
    const started = { position: 2, name: "extract", type: "extract" };
    await h.leases.step(lease, { ...STEP, stagesDone: 2, started, events: [] });
  }
  expect(claimed.map(({ job }) => job.id).sort()).toEqual(ids.sort());
  return [...claimed];
}

test.for(["PROCESSING", "CANCELLING"] as const)(
  "every write to a %s job with the token of another job is refused, and neither job changes",
  async (status) => {
    await using h = await createHarness();
    const [mine, other] = await twoJobs(h);
    if (status === "CANCELLING")
      for (const { job } of [mine, other]) await h.jobs.cancel(h.admin, job.id, "");
    const before = await everything(h);
    const lease = { jobId: mine.lease.jobId, token: other.lease.token };
    for (const [name, write] of Object.entries(WRITES)) {
      const answer = await outcomeOf(write(h, lease, { ...mine, lease }));
      const refused =
        answer instanceof LeaseLostError ||
        REFUSALS.includes(answer) ||
        (Array.isArray(answer) && answer.length === 0);
      expect([name, refused, answer]).toEqual([name, true, answer]);
      expect([name, await everything(h)]).toEqual([name, before]);
    }
    expect(await h.leases.orders([lease])).toEqual([]);
  },
);

test("a job that waits is nobody's: the token that it had, and one that nobody had, are refused", async () => {
  await using h = await createHarness();
  await createJob(h);
  const claimed = await claimOne(h);
  await h.leases.release([claimed.lease]);
  await h.heartbeats.renew(facts, []);
  const before = await everything(h);
  for (const token of [claimed.lease.token, "00000000-0000-4000-8000-000000000000"]) {
    const lease = { ...claimed.lease, token };
    for (const [name, write] of Object.entries(WRITES)) {
      await outcomeOf(write(h, lease, { ...claimed, lease }));
      expect([name, await everything(h)]).toEqual([name, before]);
    }
  }
});
