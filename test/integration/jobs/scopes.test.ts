import { expect, test } from "vitest";
import { DocumentNotFoundError, JobNotFoundError } from "../../../src/jobs/errors.ts";
import { newId } from "../../../src/lib/ids.ts";
import { createHarness, textRequest } from "../../support/harness.ts";
import { auditOf, completedJob, createJob, failedJob, outcomeOf, statusesOf } from "./steps.ts";

const signal = AbortSignal.timeout(60_000);

test("somebody else's job answers every verb exactly as one that does not exist, and is not touched", async () => {
  await using h = await createHarness();
  const owner = h.caller();
  const stranger = h.caller();
  const failed = await failedJob(h, owner);
  const done = await completedJob(h, owner);
  const waiting = await createJob(h, owner);
  const verbs = (id: string): Promise<unknown>[] => [
    h.jobs.get(stranger, id),
    h.jobs.cancel(stranger, id, ""),
    h.jobs.retry(stranger, id),
    h.jobs.delete(stranger, id),
    h.jobs.result(stranger, id),
    h.jobs.download(stranger, id, "TEXT", 0, signal),
    h.jobs.watch(stranger, id, 0, signal).next(),
  ];
  const unknown = newId();
  for (const id of [failed, done, waiting, unknown]) {
    for (const outcome of await Promise.all(verbs(id).map(outcomeOf))) {
      expect(outcome).toBeInstanceOf(JobNotFoundError);
      expect((outcome as Error).message.replace(id, "ID")).toBe(new JobNotFoundError("ID").message);
    }
  }
  expect(await statusesOf(h, failed)).toEqual(["CREATED", "PROCESSING", "FAILED"]);
  expect(await auditOf(h, waiting)).toEqual(["jobs.create"]);
  expect(await h.jobs.list(stranger, {}, { limit: 10, beforeId: null })).toEqual([]);
  expect(await h.jobs.count(stranger, {})).toEqual([]);
  expect(await h.jobs.list(owner, {}, { limit: 10, beforeId: null })).toHaveLength(3);
});

test("somebody else's document cannot be read, nor made into a job", async () => {
  await using h = await createHarness();
  const owner = h.caller();
  const stranger = h.caller();
  const { document } = await h.jobs.create(owner, textRequest("mine"));
  const documentId = document?.id ?? "";
  await expect(h.documents.get(stranger, documentId)).rejects.toThrow(DocumentNotFoundError);
  const request = textRequest("", { source: { kind: "document", documentId } });
  await expect(h.jobs.create(stranger, request)).rejects.toThrow(DocumentNotFoundError);
  await h.jobs.create(owner, request);
});

test("a permission for all reaches everybody's jobs, and only for the verb it names", async () => {
  await using h = await createHarness();
  const id = await createJob(h, h.caller());
  const reader = h.caller(["jobs:read:any", "jobs:cancel", "results:read"]);
  expect((await h.jobs.get(reader, id)).job.id).toBe(id);
  expect(await h.jobs.list(reader, {}, { limit: 10, beforeId: null })).toHaveLength(1);
  await expect(h.jobs.cancel(reader, id, "")).rejects.toThrow(JobNotFoundError);
  await expect(h.jobs.result(reader, id)).rejects.toThrow(JobNotFoundError);
  expect((await h.jobs.cancel(h.admin, id, "")).job.status).toBe("CANCELLED");
});

test("request ids, concurrency keys and batch verbs of one caller know nothing of another's", async () => {
  await using h = await createHarness();
  const [one, other] = [h.caller(), h.caller()];
  const request = textRequest("x", { requestId: "r1", concurrencyKey: "k" });
  const first = await h.jobs.create(one, request);
  const second = await h.jobs.create(other, request);
  expect(second.job.id).not.toBe(first.job.id);
  expect([first.job.parked, second.job.parked]).toEqual([false, false]);
  const waits = async () => (await h.jobs.get(other, second.job.id)).job.status === "CREATED";
  expect((await h.jobs.cancelMany(one, {}, 10, "")).ids).toEqual([first.job.id]);
  expect(await waits()).toBe(true);
  expect((await h.jobs.retryMany(other, {}, 10)).ids).toEqual([]);
  expect((await h.jobs.retryMany(one, {}, 10)).ids).toEqual([first.job.id]);
  const upload = { filename: "a", mediaType: "", sizeBytes: 0, sha256: "" };
  const [mine, theirs] = await Promise.all(
    [one, other].map((caller) => h.documents.createUpload(caller, upload, "r1")),
  );
  expect(mine?.documentId).not.toBe(theirs?.documentId);
});

test("a document that jobs of two owners use goes with the last of them, whoever deletes it", async () => {
  await using h = await createHarness();
  const owner = h.caller();
  const { job, document } = await h.jobs.create(owner, textRequest("mine"));
  const documentId = document?.id ?? "";
  const guest = await h.jobs.create(h.admin, textRequest("", { source: { kind: "document", documentId } }));
  await h.jobs.cancel(owner, job.id, "");
  await h.jobs.delete(owner, job.id);
  expect((await h.documents.get(owner, documentId)).id).toBe(documentId);
  await h.jobs.cancel(h.admin, guest.job.id, "");
  await h.jobs.delete({ ...h.admin, permissions: new Set(["jobs:delete"]) }, guest.job.id);
  await expect(h.documents.get(owner, documentId)).rejects.toThrow(DocumentNotFoundError);
});
