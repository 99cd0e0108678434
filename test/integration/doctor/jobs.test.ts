import { expect, test } from "vitest";
import { textRequest } from "../../support/harness.ts";
import { claimOne, completedJob, createJob, failedJob, resultOf } from "../jobs/steps.ts";
import { auditOfDoctor, createHarness, type Harness, until, visit } from "./doctor-harness.ts";

/** One job in each status, each on its way there by the service's own verbs. */
async function oneOfEach(h: Harness) {
  const completed = await completedJob(h);
  const failed = await failedJob(h);
  const cancelled = await createJob(h);
  await h.jobs.cancel(h.admin, cancelled, "no longer wanted");
  const again = await failedJob(h);
  await h.jobs.retry(h.admin, again);
  await h.leases.complete(await claimOne(h), resultOf("at last"));
  const running = await createJob(h);
  await h.heartbeats.renew(
    { id: "w", host: "h", version: "test", pid: 1, concurrency: 9, running: 1, draining: false },
    [],
  );
  await claimOne(h);
  const waiting = await createJob(h);
  return { completed, failed, cancelled, again, running, waiting };
}

const CHECKS = ["jobs", "events", "results", "documents", "leases", "concurrency keys", "queue", "objects"];

test("jobs that went every way the service knows are all in order, retried ones among them", async () => {
  await using h = await createHarness();
  await oneOfEach(h);
  const { of } = await visit(h);
  for (const check of CHECKS) expect([check, of(check)[0]]).toMatchObject([check, { level: "ok" }]);
  expect(of("jobs")[0]?.message).toBe("looked at every job (6)");
});

test("jobs that real workers ran are all in order while they run and afterwards", async () => {
  await using h = await createHarness();
  await h.startWorker();
  // The worker of a harness leaves that to its tests.
  await h.db.sql`update queue_state set reconciled_at = now() + interval '1 hour'`;
  const ids = await Promise.all(
    Array.from({ length: 6 }, (_, i) => createJob(h, h.admin, `text ${i} `.repeat(2_000))),
  );
  const ended = async () => {
    const [{ open }] = await h.db.sql<[{ open: number }]>`
      select count(*)::int as open from jobs where status <> 'COMPLETED'`;
    return open === 0;
  };
  await until(async () => {
    const { of } = await visit(h);
    for (const check of CHECKS) expect([check, of(check)[0]]).toMatchObject([check, { level: "ok" }]);
    return await ended();
  }, "all jobs have completed");
  expect(ids).toHaveLength(6);
  const { of } = await visit(h);
  for (const check of CHECKS) expect([check, of(check)[0]]).toMatchObject([check, { level: "ok" }]);
});

/** What is broken, the check that notices it, and as what. */
const BREACHES: readonly [
  what: string,
  check: string,
  code: string,
  of: keyof Awaited<ReturnType<typeof oneOfEach>>,
  statement: (h: Harness, id: string) => Promise<unknown>,
][] = [
  [
    "a final job without the time of its end",
    "jobs",
    "END_TIME_MISSING",
    "failed",
    (h, id) => h.db.sql`update jobs set ended_at = null where id = ${id}`,
  ],
  [
    "an open job with a time of its end",
    "jobs",
    "END_TIME_TOO_EARLY",
    "waiting",
    (h, id) => h.db.sql`update jobs set ended_at = now() where id = ${id}`,
  ],
  [
    "a failed job without an error",
    "jobs",
    "ERROR_MISSING",
    "failed",
    (h, id) => h.db.sql`update jobs set error = null where id = ${id}`,
  ],
  [
    "a final job with a lease",
    "jobs",
    "LEASE_LEFT",
    "completed",
    (h, id) =>
      h.db.sql`update jobs set lease_token = gen_random_uuid(), lease_until = now() where id = ${id}`,
  ],
  [
    "a waiting job with a lease",
    "jobs",
    "LEASE_LEFT",
    "waiting",
    (h, id) => h.db.sql`update jobs set lease_until = now() where id = ${id}`,
  ],
  [
    "a gap in the sequence",
    "events",
    "SEQUENCE_GAP",
    "completed",
    (h, id) => h.db.sql`delete from job_events where job_id = ${id} and sequence = 2`,
  ],
  [
    "a job whose first event is not the first",
    "events",
    "SEQUENCE_GAP",
    "waiting",
    (h, id) => h.db.sql`with j as (update jobs set last_sequence = 2 where id = ${id})
      update job_events set sequence = 2 where job_id = ${id}`,
  ],
  [
    "a job without any event",
    "events",
    "LAST_SEQUENCE_HIGH",
    "waiting",
    (h, id) => h.db.sql`delete from job_events where job_id = ${id}`,
  ],
  [
    "a last sequence below that of the last event",
    "events",
    "LAST_SEQUENCE_LOW",
    "running",
    (h, id) => h.db.sql`update jobs set last_sequence = last_sequence - 1 where id = ${id}`,
  ],
  [
    "a last sequence beyond that of the last event",
    "events",
    "LAST_SEQUENCE_HIGH",
    "running",
    (h, id) => h.db.sql`update jobs set last_sequence = last_sequence + 1 where id = ${id}`,
  ],
  [
    "a final job without its final event",
    "events",
    "FINAL_EVENT_MISSING",
    "completed",
    (h, id) =>
      h.db
        .sql`update job_events set payload = '{"status": "PROCESSING"}' where job_id = ${id} and sequence = 3`,
  ],
  [
    "a job that was retried, without the final event of the second time",
    "events",
    "FINAL_EVENT_MISSING",
    "again",
    (h, id) => h.db.sql`update job_events set type = 'log' where job_id = ${id} and sequence = 6`,
  ],
  [
    "two final events",
    "events",
    "FINAL_EVENT_TWICE",
    "completed",
    (h, id) =>
      h.db.sql`with j as (update jobs set last_sequence = last_sequence + 1 where id = ${id} returning *)
      insert into job_events (job_id, sequence, owner_id, type, payload)
      select id, last_sequence, owner_id, 'status_changed', '{"status": "COMPLETED"}' from j`,
  ],
  [
    "an open job with a final event",
    "events",
    "FINAL_EVENT_TOO_EARLY",
    "running",
    (h, id) =>
      h.db.sql`update job_events set payload = '{"status": "FAILED"}' where job_id = ${id} and sequence = 2`,
  ],
  [
    "a final event that tells of another status",
    "events",
    "FINAL_EVENT_OTHER",
    "completed",
    (h, id) =>
      h.db.sql`update job_events set payload = '{"status": "FAILED"}' where job_id = ${id} and sequence = 3`,
  ],
  [
    "an event after the final one",
    "events",
    "FINAL_EVENT_OTHER",
    "failed",
    (h, id) =>
      h.db.sql`with j as (update jobs set last_sequence = last_sequence + 1 where id = ${id} returning *)
      insert into job_events (job_id, sequence, owner_id, type, payload)
      select id, last_sequence, owner_id, 'log', '{}' from j`,
  ],
  [
    "a completed job without a result",
    "results",
    "RESULT_MISSING",
    "completed",
    (h, id) => h.db.sql`delete from job_results where job_id = ${id}`,
  ],
  [
    "a completed job whose result lacks the text",
    "results",
    "CONTENT_MISSING",
    "completed",
    (h, id) => h.db.sql`delete from job_result_contents where job_id = ${id}`,
  ],
  [
    "a completed job with a format that is empty",
    "results",
    "CONTENT_MISSING",
    "completed",
    (h, id) => h.db.sql`update job_results set extracted_text = null where job_id = ${id}`,
  ],
  [
    "a failed job with a result",
    "results",
    "RESULT_TOO_EARLY",
    "failed",
    (h, id) =>
      h.db.sql`insert into job_results (job_id, result_metadata, processing_time_ms, size_bytes, sha256)
      values (${id}, '{}', 1, 1, 'x')`,
  ],
  [
    "an open job whose document has no bytes",
    "documents",
    "BYTES_MISSING",
    "waiting",
    (h, id) =>
      h.db
        .sql`update documents set content = null where id = (select document_id from jobs where id = ${id})`,
  ],
];

/** What `--repair` mends of them. */
const MENDED = ["LEASE_LEFT", "LAST_SEQUENCE_LOW"];

test.each(BREACHES)("%s is a fault of %s", async (_what, check, code, of, breakIt) => {
  await using h = await createHarness();
  const ids = await oneOfEach(h);
  await breakIt(h, ids[of]);
  const found = await visit(h);
  expect(found.of(check)).toEqual([
    expect.objectContaining({ level: "fault", code, count: 1, ids: [ids[of]], advice: expect.any(String) }),
  ]);
  expect(found.outcome.faults).toBe(1);

  const [before] = await h.db.sql`select * from jobs where id = ${ids[of]}`;
  const after = await visit(h, { repair: true });
  const [row] = await h.db.sql`select * from jobs where id = ${ids[of]}`;
  if (MENDED.includes(code)) {
    expect(after.mends(check)).toMatchObject([{ code, count: 1, ids: [ids[of]] }]);
    expect(after.of(check)).toMatchObject([{ level: "ok" }]);
    expect(await auditOfDoctor(h)).toEqual([
      { action: code === "LEASE_LEFT" ? "jobs.clear_lease" : "jobs.raise_sequence", resourceId: ids[of] },
    ]);
    // Nothing but what was wrong.
    const { leaseToken, leaseUntil, lastSequence } = row as Record<string, unknown>;
    expect({ ...row, leaseToken: null, leaseUntil: null, lastSequence: 0 }).toEqual({
      ...before,
      leaseToken: null,
      leaseUntil: null,
      lastSequence: 0,
    });
    if (code === "LEASE_LEFT")
      expect({ leaseToken, leaseUntil }).toEqual({ leaseToken: null, leaseUntil: null });
    else expect(Number(lastSequence)).toBe(Number(before?.lastSequence) + 1);
  } else {
    expect(after.outcome).toMatchObject({ faults: 1, mended: 0 });
    expect(row).toEqual(before);
    expect(await auditOfDoctor(h)).toEqual([]);
  }
});

test("a result that has expired may be gone, and a document whose job has ended only costs another run", async () => {
  await using h = await createHarness();
  const { completed, failed } = await oneOfEach(h);
  await h.db.sql`delete from job_results where job_id = ${completed}`;
  await h.db.sql`update jobs set expires_at = now() - interval '1 minute' where id = ${completed}`;
  await h.db
    .sql`update documents set content = null where id = (select document_id from jobs where id = ${failed})`;
  const { of, outcome } = await visit(h);
  expect(of("results")).toMatchObject([{ level: "ok" }]);
  expect(of("documents")).toMatchObject([{ level: "warn", code: "BYTES_MISSING_ENDED", ids: [failed] }]);
  expect(outcome.faults).toBe(0);
});

test("a mended job goes on: its next event is taken", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const claimed = await claimOne(h);
  await h.db.sql`update jobs set last_sequence = 1 where id = ${id}`;
  await expect(h.leases.complete(claimed, resultOf("x"))).rejects.toThrow(/duplicate key/);
  await visit(h, { repair: true });
  expect(await h.leases.complete(claimed, resultOf("x"))).not.toBeNull();
});

test("only the newest ended jobs are looked at and said to be, open ones always; with --all every one", async () => {
  await using h = await createHarness();
  const ended: string[] = [];
  for (let i = 0; i < 8; i++) ended.push(await completedJob(h));
  const running = await createJob(h);
  await claimOne(h);
  for (let i = 0; i < 5; i++) await createJob(h);
  const broken = [ended[0] ?? "", running];
  await h.db.sql`delete from job_events where sequence = 1 and job_id in ${h.db.sql(broken)}`;

  const recent = await visit(h, { recentJobs: 3 });
  expect(recent.of("events")).toMatchObject([{ code: "SEQUENCE_GAP", ids: [running] }]);
  expect(recent.of("results")[0]?.message).toMatch(
    /^looked at \d of the open jobs and the newest 3 that ended; --all looks at every one$/,
  );
  const all = await visit(h, { recentJobs: 3, all: true });
  expect(all.of("events")[0]?.ids?.toSorted()).toEqual(broken.toSorted());
  expect(all.of("results")[0]?.message).toBe("looked at every job (14)");
});

test("parked jobs are looked at too", async () => {
  await using h = await createHarness();
  const make = async () => (await h.jobs.create(h.admin, textRequest("t", { concurrencyKey: "one" }))).job.id;
  const ids = [await make(), await make(), await make()];
  await claimOne(h);
  for (let i = 0; i < 4; i++) await completedLater(h);
  await h.db.sql`delete from job_events where job_id = ${ids[2] ?? ""}`;
  const { of } = await visit(h, { recentJobs: 3 });
  expect(of("events")).toMatchObject([{ code: "LAST_SEQUENCE_HIGH", ids: [ids[2]] }]);
});

/** Jobs that came and ended after all others, so that these are not among the newest. */
async function completedLater(h: Harness): Promise<void> {
  const id = await createJob(h);
  await h.jobs.cancel(h.admin, id, "");
}

test("jobs that were set aside within the last day are told with what the newest says", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  for (let i = 0; i < 3; i++) {
    await claimOne(h);
    await h.db.sql`update jobs set lease_until = now() - interval '1 second' where id = ${id}`;
    await h.leases.sweep();
  }
  expect((await visit(h)).of("quarantine")).toMatchObject([
    {
      level: "info",
      code: "QUARANTINED",
      count: 1,
      ids: [id],
      message: expect.stringMatching(/3 workers stopped/),
    },
  ]);
  await h.db.sql`update jobs set ended_at = now() - interval '25 hours' where id = ${id}`;
  expect((await visit(h)).of("quarantine")).toMatchObject([{ level: "ok" }]);
});
