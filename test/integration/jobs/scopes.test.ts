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
