import fc from "fast-check";
import { expect, test } from "vitest";
import type { ClaimedJob } from "../../../src/jobs/leases.ts";
import { canBecome, isFinal, type JobStatus } from "../../../src/jobs/model.ts";
import { createHarness, type Harness, until } from "../../support/harness.ts";
import { createJob, eventsOf, failureOf, outcomeOf, resultOf } from "./steps.ts";

const RUNS = 100;
const MAX_ATTEMPTS_LOST = 3;

/** What the plain model knows of a job. */
interface ModelJob {
  readonly id: string;
  status: JobStatus;
  attempt: number;
  lost: number;
  readonly statuses: JobStatus[];
  /** The attempt that holds the job. */
  held: ClaimedJob | null;
  /** Attempts that held it once. */
  readonly former: ClaimedJob[];
}

const WORKER = { id: "w", host: "h", version: "v", pid: 1, concurrency: 9, running: 0, draining: false };
const OPERATIONS = [
  "create",
  "claim",
  "claim",
  "heartbeat",
  "complete",
  "fail",
  "fail and retry",
  "release",
  "expire",
  "cancel",
  "confirm cancel",
  "retry",
  "stale",
] as const;
type Operation = (typeof OPERATIONS)[number];

function move(job: ModelJob, status: JobStatus): void {
  if (!canBecome(job.status, status))
    throw new Error(`the model has no step from ${job.status} to ${status}`);
  job.status = status;
  job.statuses.push(status);
  if (status !== "PROCESSING" && status !== "CANCELLING" && job.held) {
    job.former.push(job.held);
    job.held = null;
  }
}

async function claim(h: Harness, jobs: ModelJob[]): Promise<void> {
  if (!jobs.some(({ status }) => status === "CREATED")) {
    expect(await h.leases.claim("w", 1, Date.now)).toEqual([]);
    return;
  }
  const claimed = await until(
    async () => (await h.leases.claim("w", 1, Date.now))[0],
    "a waiting job is claimed",
  );
  const job = jobs.find(({ id }) => id === claimed.job.id);
  if (!job) throw new Error("a job of nobody was claimed");
  move(job, "PROCESSING");
  job.held = claimed;
  job.attempt++;
  expect(claimed.job.attempt).toBe(job.attempt);
}

/** Does the operation on the service and on the model, and compares the answers. */
async function apply(h: Harness, jobs: ModelJob[], operation: Operation, pick: number): Promise<void> {
  if (operation === "create") {
    const id = await createJob(h);
    jobs.push({ id, status: "CREATED", attempt: 0, lost: 0, statuses: ["CREATED"], held: null, former: [] });
    return;
  }
  if (operation === "claim") return await claim(h, jobs);
  const job = jobs[pick % Math.max(1, jobs.length)];
  if (!job) return;
  const running = job.status === "PROCESSING";
  switch (operation) {
    case "heartbeat": {
      if (!job.held) return;
      const { token } = job.held.lease;
      const { leases } = await h.heartbeats.renew(WORKER, [job.held.lease]);
      expect(leases).toEqual([{ token, cancel: job.status === "CANCELLING", renewed: true }]);
      return;
    }
    case "complete": {
      if (!job.held) return;
      expect((await h.leases.complete(job.held, resultOf("x"))) !== null).toBe(running);
      if (running) move(job, "COMPLETED");
      return;
    }
    case "fail":
    case "fail and retry": {
      if (!job.held) return;
      const again = operation === "fail and retry";
      const failure = { error: failureOf(again), retryInMs: again ? 0 : null };
      const status = again ? "CREATED" : "FAILED";
      expect(await h.leases.fail(job.held, failure)).toBe(running ? status : null);
      if (running) move(job, status);
      return;
    }
    case "release": {
      if (!job.held) return;
      expect(await h.leases.release([job.held.lease])).toEqual(running ? [job.id] : []);
      if (!running) return;
      move(job, "CREATED");
      job.attempt--;
      return;
    }
    case "expire": {
      if (!job.held) return;
      await h.db.sql`update jobs set lease_until = now() - interval '1 second' where id = ${job.id}`;
      const status = !running ? "CANCELLED" : job.lost + 1 >= MAX_ATTEMPTS_LOST ? "FAILED" : "CREATED";
      expect(await h.leases.sweep()).toMatchObject([{ id: job.id, status }]);
      move(job, status);
      job.lost++;
      if (running) job.attempt--;
      return;
    }
    case "cancel": {
      const outcome = await outcomeOf(h.jobs.cancel(h.admin, job.id, ""));
      expect(outcome instanceof Error).toBe(isFinal(job.status));
      if (job.status === "CREATED") move(job, "CANCELLED");
      else if (running) move(job, "CANCELLING");
      return;
    }
    case "confirm cancel": {
      if (!job.held) return;
      expect(await h.leases.cancelled(job.held)).toBe(!running);
      if (!running) move(job, "CANCELLED");
      return;
    }
    case "retry": {
      const may = job.status === "FAILED" || job.status === "CANCELLED";
      const outcome = await outcomeOf(h.jobs.retry(h.admin, job.id));
      expect(outcome instanceof Error).toBe(!may);
      if (!may) return;
      move(job, "CREATED");
      job.attempt = 0;
      job.lost = 0;
      return;
    }
    case "stale": {
      for (const former of job.former) {
        expect(await h.leases.complete(former, resultOf("stale"))).toBeNull();
        expect(await h.leases.fail(former, { error: failureOf(true), retryInMs: 0 })).toBeNull();
        expect(await h.leases.cancelled(former)).toBe(false);
        expect(await h.leases.release([former.lease])).toEqual([]);
        expect((await h.heartbeats.renew(WORKER, [former.lease])).leases).toEqual([]);
      }
    }
  }
}

async function compare(h: Harness, job: ModelJob): Promise<void> {
  const [row] = await h.db.sql<
    {
      status: string;
      attempt: number;
      lost: number;
      token: string | null;
      last: number;
      ended: boolean;
      results: number;
    }[]
  >`select status, attempt, lost_claims as lost, lease_token as token, last_sequence::int as last,
      ended_at is not null as ended,
      (select count(*)::int from job_results where job_id = jobs.id) as results
    from jobs where id = ${job.id}`;
  const events = await eventsOf(h, job.id);
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
  expect(events.map(({ payload }) => (payload as { status: string }).status)).toEqual(job.statuses);
  for (const [i, { payload }] of events.entries()) {
    expect((payload as { previousStatus: string | null }).previousStatus).toBe(job.statuses[i - 1] ?? null);
  }
  expect(row).toMatchObject({
    status: job.status,
    attempt: job.attempt,
    lost: job.lost,
    last: job.statuses.length,
    ended: isFinal(job.status),
    results: job.status === "COMPLETED" ? 1 : 0,
  });
  expect(row?.token ?? null).toBe(job.held?.lease.token ?? null);
}

test("whatever callers, workers, crashes and sweeps do in whatever order, jobs stay what the plain model says", {
  timeout: 180_000,
}, async () => {
  await using h = await createHarness();
  const operation = fc.record({ operation: fc.constantFrom(...OPERATIONS), pick: fc.nat(5) });
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 30 }), async (operations) => {
      await h.db.sql`truncate jobs cascade`;
      const jobs: ModelJob[] = [];
      await apply(h, jobs, "create", 0);
      for (const { operation: name, pick } of operations) await apply(h, jobs, name, pick);
      for (const job of jobs) await compare(h, job);
    }),
    { numRuns: RUNS },
  );
});
