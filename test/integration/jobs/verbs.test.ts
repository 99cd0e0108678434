import { expect, test } from "vitest";
import { documentObjectKey } from "../../../src/jobs/documents/model.ts";
import {
  JobAlreadyFinalError,
  JobNotFinalError,
  JobNotFoundError,
  JobNotRetryableError,
} from "../../../src/jobs/errors.ts";
import { createHarness, textRequest, until } from "../../support/harness.ts";
import {
  auditOf,
  bytesOf,
  claimOne,
  completedJob,
  countOf,
  createJob,
  eventsOf,
  failedJob,
  failureOf,
  outcomeOf,
  resultOf,
  sha256,
  statusesOf,
} from "./steps.ts";

test("a waiting job is cancelled at once, and no worker gets it", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const { job } = await h.jobs.cancel(h.admin, id, "changed my mind");
  expect(job).toMatchObject({ status: "CANCELLED", lastSequence: 3 });
  expect(job.endTime).not.toBeNull();
  expect(await h.leases.claim("w", 10, Date.now)).toEqual([]);
  expect(await auditOf(h, id)).toEqual(["jobs.create", "jobs.cancel"]);
});

test("a job that has ended cannot be cancelled, and the refusal leaves neither event nor audit entry", async () => {
  await using h = await createHarness();
  for (const id of [await completedJob(h), await failedJob(h)]) {
    const before = await eventsOf(h, id);
    await expect(h.jobs.cancel(h.admin, id, "")).rejects.toThrow(JobAlreadyFinalError);
    expect(await eventsOf(h, id)).toEqual(before);
    expect(await auditOf(h, id)).toEqual(["jobs.create"]);
  }
});

test("cancels of a running job that come at once all answer CANCELLING, with one event", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const claimed = await claimOne(h);
  const answers = await Promise.all(Array.from({ length: 12 }, () => h.jobs.cancel(h.admin, id, "")));
  expect(answers.map(({ job }) => job.status)).toEqual(Array(12).fill("CANCELLING"));
  await h.leases.cancelled(claimed);
  expect(await statusesOf(h, id)).toEqual(["CREATED", "PROCESSING", "CANCELLING", "CANCELLED"]);
});

test("of a cancel and a claim at the same moment one comes first, and the job ends cancelled either way", async () => {
  await using h = await createHarness();
  for (let round = 0; round < 15; round++) {
    const id = await createJob(h);
    const [cancelled, claims] = await Promise.all([
      h.jobs.cancel(h.admin, id, ""),
      h.leases.claim("w", 1, Date.now),
    ]);
    const [claimed] = claims;
    expect(cancelled.job.status).toBe(claimed ? "CANCELLING" : "CANCELLED");
    if (claimed) expect(await h.leases.cancelled(claimed)).toBe(true);
    expect((await h.jobs.get(h.admin, id)).job.status).toBe("CANCELLED");
  }
});

test("of a cancel and a completion at the same moment exactly one wins", async () => {
  await using h = await createHarness();
  for (let round = 0; round < 15; round++) {
    const id = await createJob(h);
    const claimed = await claimOne(h);
    const [cancelled, completed] = await Promise.all([
      outcomeOf(h.jobs.cancel(h.admin, id, "")),
      h.leases.complete(claimed, resultOf("x")),
    ]);
    expect(cancelled instanceof JobAlreadyFinalError).toBe(completed !== null);
    expect(await countOf(h, "job_results")).toBe(completed ? 1 : 0);
    if (!completed) await h.leases.cancelled(claimed);
    await h.jobs.delete(h.admin, id);
  }
});

test("a failed and a cancelled job can be tried again, with fresh attempts and nobody's name on them", async () => {
  await using h = await createHarness();
  const cancelled = await createJob(h);
  await h.jobs.cancel(h.admin, cancelled, "");
  const failed = await failedJob(h);
  for (const id of [failed, cancelled]) {
    const { job } = await h.jobs.retry(h.admin, id);
    expect(job).toMatchObject({ status: "CREATED", attempt: 0, error: null, workerId: null, endTime: null });
    expect(await auditOf(h, id)).toContain("jobs.retry");
  }
  const claimed = await h.leases.claim("w", 10, Date.now);
  expect(claimed.map(({ job }) => job.id).sort()).toEqual([failed, cancelled].sort());
  expect(await statusesOf(h, failed)).toEqual(["CREATED", "PROCESSING", "FAILED", "CREATED", "PROCESSING"]);
});

test("a job that waits, runs or is completed cannot be tried again", async () => {
  await using h = await createHarness();
  const done = await completedJob(h);
  const running = await createJob(h);
  await claimOne(h);
  const waiting = await createJob(h);
  for (const id of [done, running, waiting]) {
    await expect(h.jobs.retry(h.admin, id)).rejects.toThrow(JobNotRetryableError);
  }
});

test("ten retries at once put a job in the line once", async () => {
  await using h = await createHarness();
  const id = await failedJob(h);
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => outcomeOf(h.jobs.retry(h.admin, id))));
  expect(outcomes.filter((outcome) => !(outcome instanceof Error))).toHaveLength(1);
  expect(await statusesOf(h, id)).toEqual(["CREATED", "PROCESSING", "FAILED", "CREATED"]);
});

test("three lost claims, a look at the document and a retry give the job three more", async () => {
  await using h = await createHarness({ leaseMs: 1_000 });
  const id = await createJob(h);
  const lose = async () => {
    await claimOne(h);
    await h.db.sql`update jobs set lease_until = now() - interval '1 second'`;
    return await h.leases.sweep();
  };
  const ends = [await lose(), await lose(), await lose()].flat().map(({ status }) => status);
  expect(ends).toEqual(["CREATED", "CREATED", "FAILED"]);
  const counted = await h.metrics.jobsFailed.get();
  expect(counted.values).toMatchObject([
    { value: 1, labels: { reason: "QUARANTINED", pipeline: "default" } },
  ]);
  await h.jobs.retry(h.admin, id);
  expect(await lose()).toMatchObject([{ id, status: "CREATED" }]);
  expect((await h.jobs.get(h.admin, id)).job).toMatchObject({ workerId: null, attempt: 0 });
});

test("only a job that has ended is deleted, with all that hangs on it; the audit entries stay", async () => {
  await using h = await createHarness();
  const running = await createJob(h);
  await claimOne(h);
  await expect(h.jobs.delete(h.admin, running)).rejects.toThrow(JobNotFinalError);
  const waiting = await createJob(h);
  await expect(h.jobs.delete(h.admin, waiting)).rejects.toThrow(JobNotFinalError);
  await h.jobs.cancel(h.admin, waiting, "");
  await h.jobs.delete(h.admin, waiting);
  await expect(h.jobs.get(h.admin, waiting)).rejects.toThrow(JobNotFoundError);
  await expect(h.jobs.delete(h.admin, waiting)).rejects.toThrow(JobNotFoundError);
  expect(await eventsOf(h, waiting)).toEqual([]);
  expect(await countOf(h, "documents")).toBe(1);
  expect(await auditOf(h, waiting)).toEqual(["jobs.create", "jobs.cancel", "jobs.delete"]);
});

test("a document and its object stay until the last job that uses them is deleted", async () => {
  await using h = await createHarness();
  const text = "0123456789".repeat(10_000);
  const { job: first, document } = await h.jobs.create(h.admin, textRequest(text));
  const key = documentObjectKey(document?.id ?? "");
  const again = textRequest("", { source: { kind: "document", documentId: document?.id ?? "" } });
  const { job: second } = await h.jobs.create(h.admin, again);
  const { job: equal } = await h.jobs.create(h.caller(), textRequest(text));
  for (const { id } of [first, second, equal]) await h.jobs.cancel(h.admin, id, "");
  await h.jobs.delete(h.admin, first.id);
  expect(await countOf(h, "documents")).toBe(2);
  expect(await h.store.head(key)).toEqual({ size: 100_000 });
  await h.jobs.delete(h.admin, second.id);
  expect(await countOf(h, "documents")).toBe(1);
  // A document with equal bytes is another one, and keeps them.
  const signal = AbortSignal.timeout(10_000);
  expect(await bytesOf((await h.documents.open(equal.documentId, signal)).body)).toHaveLength(100_000);
  await h.jobs.delete(h.admin, equal.id);
  expect(await countOf(h, "documents")).toBe(0);
  expect(await h.store.head(key)).toBeNull();
});

test("the objects of a result and of checkpoints go with the job", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const claimed = await claimOne(h);
  for (const key of ["checkpoints/a/0.json", "results/a/text.txt"]) await h.store.put(key, Buffer.from("x"));
  const stage = { position: 0, name: "fetch", type: "fetch" };
  const step = { stagesDone: 0, stagesTotal: 7, restored: 0, events: [] };
  await h.leases.step(claimed.lease, { ...step, ended: null, started: stage });
  const ended = {
    position: 0,
    status: "SUCCEEDED",
    error: null,
    fromCheckpoint: false,
    checkpointKey: "k",
  } as const;
  const checkpoint = { checkpoint: null, checkpointObject: "checkpoints/a/0.json" };
  await h.leases.step(claimed.lease, { ...step, ended: { ...ended, ...checkpoint }, started: null });
  await h.leases.fail(claimed, { error: failureOf(false), retryInMs: null });
  await h.jobs.delete(h.admin, id);
  expect(await h.store.head("checkpoints/a/0.json")).toBeNull();

  const done = await completedJob(h, h.admin, {
    ...resultOf("x"),
    extractedText: null,
    outputUri: "sluice://objects/results/a/text.txt",
    contents: [
      { format: "TEXT", content: null, objectKey: "results/a/text.txt", sizeBytes: 1, sha256: sha256("x") },
    ],
  });
  await h.jobs.delete(h.admin, done);
  expect(await h.store.head("results/a/text.txt")).toBeNull();
  for (const table of ["jobs", "job_results", "job_result_contents", "job_stages", "job_events"]) {
    expect(await countOf(h, table)).toBe(0);
  }
});

test("whatever a document writes into errors, progress and log lines, the job goes its way", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const claimed = await claimOne(h);
  const hostile = "nul \0 half \ud800 \\u0000 ' \" \\";
  const log = { type: "log", payload: { level: "warn", message: hostile } };
  await h.leases.progress(claimed.lease, { share: 0.5, message: hostile, events: [log] });
  const error = { reason: "DOCUMENT_CORRUPT", message: hostile, retryable: false };
  expect(await h.leases.fail(claimed, { error, retryInMs: null })).toBe("FAILED");
  const { job } = await h.jobs.get(h.admin, id);
  expect(job.error?.message).toBe("nul \ufffd half \ufffd \\u0000 ' \" \\");
  expect(job.stageMessage).toBe(job.error?.message);
  await h.jobs.retry(h.admin, id);
  const metadata = { title: hostile, [hostile]: [hostile] };
  const second = await claimOne(h);
  expect(await h.leases.complete(second, { ...resultOf("x"), metadata })).not.toBeNull();
  await until(
    async () => (await h.jobs.result(h.admin, id)).result.metadata.title !== hostile,
    "the result is there",
  );
});

test("batch verbs change the matching jobs of the caller, oldest first and no more than asked, with an entry each", async () => {
  await using h = await createHarness();
  const mine = h.caller();
  const labels = { batch: "a" };
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.push((await h.jobs.create(mine, textRequest("t", { labels }))).job.id);
  const { job: other } = await h.jobs.create(mine, textRequest("t"));
  const { job: foreign } = await h.jobs.create(h.caller(), textRequest("t", { labels }));

  expect(await h.jobs.cancelMany(mine, { labels }, 2, "enough")).toEqual({
    ids: ids.slice(0, 2),
    hasMore: true,
  });
  expect(await h.jobs.cancelMany(mine, { labels }, 10, "")).toEqual({ ids: ids.slice(2), hasMore: false });
  expect(await h.jobs.cancelMany(mine, { labels }, 10, "")).toEqual({ ids: [], hasMore: false });
  expect(await h.jobs.retryMany(mine, { labels }, 3)).toEqual({ ids: ids.slice(0, 3), hasMore: true });

  const statusOf = async (id: string) => (await h.jobs.get(h.admin, id)).job.status;
  expect(await Promise.all([...ids, other.id, foreign.id].map(statusOf))).toEqual([
    ...["CREATED", "CREATED", "CREATED", "CANCELLED", "CANCELLED"],
    ...["CREATED", "CREATED"],
  ]);
  expect(await auditOf(h, ids[0] ?? "")).toEqual(["jobs.create", "jobs.cancel", "jobs.retry"]);
});
