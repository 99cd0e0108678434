import { expect, test } from "vitest";
import type { DocumentHeader } from "../../../src/jobs/documents/service.ts";
import { QuotaExceededError } from "../../../src/jobs/errors.ts";
import { compactStoredBytes } from "../../../src/jobs/quota-queries.ts";
import { createHarness, type Harness, textRequest } from "../../support/harness.ts";
import { claimOne, completedJob, countOf, failedJob, failureOf, resultOf } from "./steps.ts";

const NONE = { queuedJobs: null, storedBytes: null };
const HEADER: DocumentHeader = { filename: "a", mediaType: "", sizeBytes: 0, sha256: "" };

async function storedBytesOf(h: Harness, ownerId: string): Promise<number> {
  const [row] = await h.db.sql<{ bytes: number }[]>`
    select coalesce(sum(bytes), 0)::int as bytes from stored_bytes where owner_id = ${ownerId}`;
  return row?.bytes ?? 0;
}

async function* bytes(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text);
}

test("of parallel creates over two processes exactly as many succeed as a user may have waiting; others are told which quota", async () => {
  await using h = await createHarness({ quotas: { ...NONE, queuedJobs: 25 } });
  const caller = h.caller();
  const processes = [h.jobs, h.newProcess().jobs];
  const outcomes = await Promise.allSettled(
    Array.from({ length: 80 }, (_, i) => processes[i % 2]!.create(caller, textRequest(`text ${i}`))),
  );
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(25);
  const refused = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
  for (const error of refused) {
    expect(error).toBeInstanceOf(QuotaExceededError);
    expect(error.extras.quota).toEqual({ subject: "queued jobs", description: "at most 25 for a user" });
  }
  expect(await countOf(h, "documents")).toBe(25);
  // Nobody else is concerned, and a job that runs makes room for another.
  await h.jobs.create(h.caller(), textRequest("of another"));
  await h.db
    .sql`update jobs set status = 'PROCESSING' where id = (select id from jobs where owner_id = ${caller.userId} limit 1)`;
  await h.jobs.create(caller, textRequest("one more"));
  await expect(h.jobs.create(caller, textRequest("two more"))).rejects.toBeInstanceOf(QuotaExceededError);
});

test("in a batch each item stands by itself, and what was made before is answered also when the quota is used up", async () => {
  await using h = await createHarness({ quotas: { ...NONE, queuedJobs: 3 } });
  const caller = h.caller();
  const first = await h.jobs.create(caller, textRequest("first", { requestId: "r1" }));
  const later = { runTime: new Date(Date.now() + 3_600_000) };
  const items = await h.jobs.createBatch(caller, [
    textRequest("a", later),
    textRequest("b", { concurrencyKey: "k" }),
    textRequest("c"),
    textRequest("first", { requestId: "r1" }),
    textRequest("d"),
  ]);
  expect(items.map((item) => (item instanceof Error ? item.name : "job"))).toEqual([
    "job",
    "job",
    "QuotaExceededError",
    "job",
    "QuotaExceededError",
  ]);
  const again = await h.jobs.create(caller, textRequest("first", { requestId: "r1" }));
  expect(again.job.id).toBe(first.job.id);
});

test("jobs that stand aside for their concurrency key wait too, and so do those that are run again", async () => {
  await using h = await createHarness({ quotas: { ...NONE, queuedJobs: 2 } });
  const caller = h.caller();
  const failed = await failedJob(h, caller);
  for (let i = 0; i < 2; i++) await h.jobs.create(caller, textRequest(`${i}`, { concurrencyKey: "k" }));
  await expect(h.jobs.retry(caller, failed)).rejects.toBeInstanceOf(QuotaExceededError);
  await expect(h.jobs.retryMany(caller, {}, 10)).rejects.toBeInstanceOf(QuotaExceededError);
  const { job } = await h.jobs.get(caller, failed);
  expect(job.status).toBe("FAILED");
});

test("stored bytes are counted exactly: documents, uploads and results, until they are deleted", async () => {
  await using h = await createHarness();
  const caller = h.caller();
  const stored = () => storedBytesOf(h, caller.userId);
  const id = await completedJob(h, caller, resultOf("result"));
  expect(await stored()).toBe("a text".length + "result".length);
  const uploaded = await h.documents.upload(caller, HEADER, bytes("uploaded"));
  const presigned = await h.documents.createUpload(caller, HEADER, "");
  const key = new URL(presigned.url).pathname.slice("/files/".length);
  const objectKey = `${key}/stored`;
  await h.documents.uploaded(key, objectKey, await h.store.put(objectKey, Buffer.from("presigned")));
  expect(await stored()).toBe("a text".length + "result".length + "uploaded".length + "presigned".length);
  await Promise.all([compactStoredBytes(h.db.sql), compactStoredBytes(h.db.sql)]);
  expect(await countOf(h, "stored_bytes")).toBe(1);
  expect(await stored()).toBe("a text".length + "result".length + "uploaded".length + "presigned".length);
  await h.jobs.delete(caller, id);
  expect(await stored()).toBe("uploaded".length + "presigned".length);
  await h.db
    .sql`update documents set expires_at = now() where id in (${uploaded.id}, ${presigned.documentId})`;
  await h.expiry.sweep();
  expect(await stored()).toBe(0);
  // A job that failed has no result to take off.
  await h.jobs.delete(caller, await failedJob(h, caller));
  expect(await stored()).toBe(0);
});

test("a user may store so many bytes, by every way that they come, and not one more at once", async () => {
  await using h = await createHarness({ quotas: { ...NONE, storedBytes: 100 } });
  const caller = h.caller();
  const ten = "0123456789";
  const outcomes = await Promise.allSettled([
    ...Array.from({ length: 10 }, (_, i) => h.jobs.create(caller, textRequest(`${i}${ten.slice(1)}`))),
    ...Array.from({ length: 10 }, () => h.newProcess().documents.upload(caller, HEADER, bytes(ten))),
  ]);
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
  expect(await storedBytesOf(h, caller.userId)).toBe(100);
  const full = { reason: "QUOTA_EXCEEDED", metadata: { quota: "stored bytes", limit: "100" } };
  await expect(h.jobs.create(caller, textRequest("x"))).rejects.toMatchObject(full);
  await expect(h.documents.upload(caller, HEADER, bytes("x"))).rejects.toMatchObject(full);
  await expect(h.documents.createUpload(caller, HEADER, "")).rejects.toMatchObject(full);
  const source = { kind: "uri" as const, uri: "https://example.org/a", filename: "" };
  await expect(h.jobs.create(caller, textRequest("", { source }))).rejects.toMatchObject(full);
  expect(await storedBytesOf(h, caller.userId)).toBe(100);
});

test("an upload that was announced without a size and brings too much is refused, and its bytes are removed", async () => {
  await using h = await createHarness({ quotas: { ...NONE, storedBytes: 100 } });
  const caller = h.caller();
  await expect(h.documents.createUpload(caller, { ...HEADER, sizeBytes: 101 }, "")).rejects.toMatchObject({
    reason: "QUOTA_EXCEEDED",
  });
  const { url } = await h.documents.createUpload(caller, HEADER, "");
  const key = new URL(url).pathname.slice("/files/".length);
  const stored = await h.store.put(`${key}/stored`, Buffer.alloc(101, "x"));
  await expect(h.documents.uploaded(key, `${key}/stored`, stored)).rejects.toMatchObject({
    reason: "QUOTA_EXCEEDED",
  });
  expect(await h.store.head(`${key}/stored`)).toBeNull();
});

test("a result is never refused: the job completes, and what comes after it has to wait for room", async () => {
  await using h = await createHarness({ quotas: { ...NONE, storedBytes: 20 } });
  const caller = h.caller();
  await completedJob(h, caller, resultOf("a long, long, long result"));
  await expect(h.jobs.create(caller, textRequest("x"))).rejects.toBeInstanceOf(QuotaExceededError);
});

test("an attempt that a worker puts back in the line needs no room", async () => {
  await using h = await createHarness({ quotas: { ...NONE, queuedJobs: 1 } });
  const caller = h.caller();
  await h.jobs.create(caller, textRequest("a"));
  const claimed = await claimOne(h);
  await h.jobs.create(caller, textRequest("b"));
  expect(await h.leases.fail(claimed, { error: failureOf(true), retryInMs: 0 })).toBeTruthy();
});
