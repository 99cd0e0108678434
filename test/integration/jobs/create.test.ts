import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import type { JobRequest } from "../../../src/jobs/create.ts";
import { documentObjectKey } from "../../../src/jobs/documents/model.ts";
import { createDocumentsService } from "../../../src/jobs/documents/service.ts";
import { DocumentNotFoundError, RequestIdReusedError } from "../../../src/jobs/errors.ts";
import { createJobsService } from "../../../src/jobs/service.ts";
import { newId } from "../../../src/lib/ids.ts";
import { createSecretBox } from "../../../src/lib/secret-box.ts";
import { PipelineNotFoundError } from "../../../src/pipelines/errors.ts";
import type { ObjectStore } from "../../../src/storage/object-store.ts";
import { createHarness, type Harness, textRequest } from "../../support/harness.ts";
import { auditOf, bytesOf, claimOne, countOf, eventsOf, failureOf, outcomeOf } from "./steps.ts";

/** The service of a second process on the same database. */
function otherProcess(h: Harness, changes: Partial<Parameters<typeof createJobsService>[0]> = {}) {
  const requestHashKey = Buffer.alloc(32, 7);
  const passwords = createSecretBox(requestHashKey, "document passwords");
  const own = { audit: createAuditor(), passwords, requestHashKey, newId, now: Date.now };
  return createJobsService({ ...h, ...own, ...changes });
}

test("a created job has its row, its document, its first event and its audit entry", async () => {
  await using h = await createHarness();
  const labels = { team: "a" };
  const { job, document } = await h.jobs.create(
    h.admin,
    textRequest("hello", { labels, parameters: { n: 1e308 } }),
  );
  expect(job).toMatchObject({
    status: "CREATED",
    attempt: 0,
    labels,
    lastSequence: 1,
    pipelineName: "default",
  });
  expect(document).toMatchObject({ sizeBytes: 5, source: "TEXT", ownerId: h.admin.userId });
  expect(await eventsOf(h, job.id)).toMatchObject([
    { sequence: 1, type: "status_changed", payload: { status: "CREATED", previousStatus: null } },
  ]);
  expect(await auditOf(h, job.id)).toEqual(["jobs.create"]);
});

test("all of it is written or nothing: when the audit entry fails, neither job nor document nor event is there", async () => {
  await using h = await createHarness();
  const broken = otherProcess(h, {
    audit: {
      ...createAuditor(),
      recordMany: async () => {
        throw new Error("no audit");
      },
    },
  });
  await expect(broken.create(h.admin, textRequest("x"))).rejects.toThrow("no audit");
  const batch = await broken.createBatch(h.admin, [textRequest("y"), textRequest("z")]);
  expect(batch.every((item) => item instanceof Error)).toBe(true);
  for (const table of ["jobs", "documents", "job_events", "audit_logs"])
    expect(await countOf(h, table)).toBe(0);
});

test("fifty creates at once with one request_id, in two processes, are one job, one document and one answer", async () => {
  await using h = await createHarness();
  const services = [h.jobs, otherProcess(h)];
  const request = textRequest("same", { requestId: "once", labels: { b: "2", a: "1" } });
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) => (services[i % 2] ?? h.jobs).create(h.admin, request)),
  );
  expect(new Set(answers.map(({ job }) => job.id)).size).toBe(1);
  for (const table of ["jobs", "documents", "job_events", "audit_logs"])
    expect(await countOf(h, table)).toBe(1);
});

test("a request_id repeated within a batch makes one job, and one with other contents is refused in its place", async () => {
  await using h = await createHarness();
  const same = textRequest("same", { requestId: "r" });
  const [first, second, other] = await h.jobs.createBatch(h.admin, [
    same,
    same,
    textRequest("other", { requestId: "r" }),
  ]);
  if (!first || !second || first instanceof Error || second instanceof Error) throw new Error("not created");
  expect(second.job.id).toBe(first.job.id);
  expect(other).toBeInstanceOf(RequestIdReusedError);
  expect(await countOf(h, "documents")).toBe(1);
});

test("a request_id with other contents is refused, whatever differs, and belongs to its owner alone", async () => {
  await using h = await createHarness();
  const requestId = "mine";
  const { job } = await h.jobs.create(h.admin, textRequest("text", { requestId }));
  const changes = [
    textRequest("texts", { requestId }),
    textRequest("text", { requestId, priority: "HIGH" }),
    textRequest("text", { requestId, labels: { a: "b" } }),
    textRequest("text", { requestId, parameters: { a: null } }),
    textRequest("text", { requestId, password: "p" }),
    textRequest("text", { requestId, runTime: new Date(Date.now() + 60_000) }),
    textRequest("", { requestId, source: { kind: "text", text: "text", filename: "a.txt" } }),
  ];
  for (const request of changes) {
    await expect(h.jobs.create(h.admin, request)).rejects.toThrow(RequestIdReusedError);
  }
  expect(await countOf(h, "jobs")).toBe(1);
  expect(await countOf(h, "documents")).toBe(1);
  const { job: others } = await h.jobs.create(h.caller(), textRequest("texts", { requestId }));
  expect(others.id).not.toBe(job.id);
});

test("the first answer is given again also when the job has moved on, and after 24 hours the id makes a new job", async () => {
  await using h = await createHarness();
  const request = textRequest("text", { requestId: "r" });
  const { job } = await h.jobs.create(h.admin, request);
  await h.leases.fail(await claimOne(h), { error: failureOf(false), retryInMs: null });
  expect((await h.jobs.create(h.admin, request)).job).toMatchObject({ id: job.id, status: "FAILED" });
  await h.db.sql`update jobs set created_at = now() - interval '24 hours'`;
  const answers = await Promise.all(Array.from({ length: 5 }, () => h.jobs.create(h.admin, request)));
  const ids = new Set(answers.map(({ job: made }) => made.id));
  expect(ids.size).toBe(1);
  expect(ids.has(job.id)).toBe(false);
  expect((await h.jobs.get(h.admin, job.id)).job.requestId).toBe("");
});

test("batches that name the same request ids in opposite orders at once do not block each other for good", async () => {
  await using h = await createHarness();
  const requests = Array.from({ length: 40 }, (_, i) => textRequest(`t${i}`, { requestId: `r${i}` }));
  const services = [h.jobs, otherProcess(h), otherProcess(h), otherProcess(h)];
  const batches = await Promise.all(
    services.map((service, i) => service.createBatch(h.admin, i % 2 ? requests : [...requests].reverse())),
  );
  expect(batches.flat().filter((item) => item instanceof Error)).toEqual([]);
  expect(await countOf(h, "jobs")).toBe(40);
  expect(await countOf(h, "documents")).toBe(40);
});

test("a batch fails as a whole when the database is away, so that it can be sent again, and leaves no object behind", async () => {
  await using h = await createHarness();
  const refused = Object.assign(new Error("cut"), { code: "CONNECTION_CLOSED" });
  const kept = new Set<string>();
  const store: ObjectStore = {
    ...h.store,
    put: async (key, body) => {
      kept.add(key);
      return await h.store.put(key, body);
    },
    delete: async (key) => {
      kept.delete(key);
      await h.store.delete(key);
    },
  };
  let calls = 0;
  const away = otherProcess(h, {
    documents: createDocumentsService({
      ...h,
      store,
      audit: createAuditor(),
      newId,
      retentionMs: null,
      maxBytes: 1e9,
    }),
    pipelines: {
      ...h.pipelines,
      forNewJob: (request) => (calls++ === 0 ? h.pipelines.forNewJob(request) : Promise.reject(refused)),
    },
  });
  const batch = [textRequest("a".repeat(200_000)), textRequest("b")];
  await expect(away.createBatch(h.admin, batch)).rejects.toBe(refused);
  expect([...kept]).toEqual([]);
  expect(await countOf(h, "jobs")).toBe(0);
});

test("a bad item of a batch fails alone, with its own error in its own place", async () => {
  await using h = await createHarness();
  const refused = new Error("refused at the edge");
  const results = await h.jobs.createBatch(h.admin, [
    textRequest("1"),
    refused,
    textRequest("2", { pipelineName: "nope" }),
    textRequest("", { source: { kind: "document", documentId: newId() } }),
    // Past the edge's checks: a time that no calendar has.
    textRequest("3", { timeoutMs: 1e30 }),
    textRequest("4"),
  ]);
  expect(results.map((item) => (item instanceof Error ? item.constructor.name : "job"))).toEqual([
    "job",
    "Error",
    "PipelineNotFoundError",
    "DocumentNotFoundError",
    expect.stringMatching(/Error$/),
    "job",
  ]);
  expect(results[1]).toBe(refused);
  expect(results[2]).toBeInstanceOf(PipelineNotFoundError);
  expect(await countOf(h, "jobs")).toBe(2);
});

test("single creates that share a transaction with a bad one are created all the same", async () => {
  await using h = await createHarness();
  const outcomes = await Promise.all(
    Array.from({ length: 30 }, (_, i) =>
      outcomeOf(h.jobs.create(h.admin, textRequest(`t${i}`, i === 17 ? { timeoutMs: 1e30 } : {}))),
    ),
  );
  expect(outcomes.flatMap((outcome, i) => (outcome instanceof Error ? [i] : []))).toEqual([17]);
  expect(await countOf(h, "jobs")).toBe(29);
});

test("a document that is deleted between the look at it and the insert is one that does not exist", async () => {
  await using h = await createHarness();
  const header = { filename: "a", mediaType: "", sizeBytes: 0, sha256: "" };
  const body = async function* () {
    yield Buffer.from("bytes");
  };
  const document = await h.documents.upload(h.admin, header, body());
  const { getUsable } = h.documents;
  const racing = otherProcess(h, {
    documents: {
      ...h.documents,
      async getUsable(caller, id) {
        const found = await getUsable.call(h.documents, caller, id);
        await h.db.sql`delete from documents where id = ${id}`;
        return found;
      },
    },
  });
  const request = textRequest("", { source: { kind: "document", documentId: document.id } });
  await expect(racing.create(h.admin, request)).rejects.toThrow(DocumentNotFoundError);
});

test("a thousand creates at once are all durable, each with its own document and one event", async () => {
  await using h = await createHarness();
  const made = await Promise.all(
    Array.from({ length: 1_000 }, (_, i) => h.jobs.create(h.admin, textRequest(`t${i}`))),
  );
  expect(new Set(made.map(({ job }) => job.id)).size).toBe(1_000);
  expect(await countOf(h, "jobs")).toBe(1_000);
  expect(await countOf(h, "job_events")).toBe(1_000);
  const { document } = made[371] ?? {};
  const { body } = await h.documents.open(document?.id ?? "", AbortSignal.timeout(10_000));
  expect((await bytesOf(body)).toString()).toBe("t371");
});

test("a create that makes no job leaves no object behind: a repeated one, a refused one, one that failed", async () => {
  await using h = await createHarness();
  const large = (text: string, changes: Partial<JobRequest> = {}) =>
    textRequest(text.repeat(20_000), changes);
  const kept = new Set<string>();
  const store: ObjectStore = {
    ...h.store,
    put: async (key, body) => {
      kept.add(key);
      return await h.store.put(key, body);
    },
    delete: async (key) => {
      kept.delete(key);
      await h.store.delete(key);
    },
  };
  const documents = createDocumentsService({
    ...h,
    store,
    audit: createAuditor(),
    newId,
    retentionMs: null,
    maxBytes: 1e9,
  });
  const jobs = otherProcess(h, { documents });
  const { document } = await jobs.create(h.admin, large("0123456789", { requestId: "r" }));
  const repeats = Array.from({ length: 5 }, () =>
    jobs.create(h.admin, large("0123456789", { requestId: "r" })),
  );
  await Promise.all(repeats);
  await expect(jobs.create(h.admin, large("abcdefghij", { requestId: "r" }))).rejects.toThrow(
    RequestIdReusedError,
  );
  await outcomeOf(jobs.create(h.admin, large("failing", { timeoutMs: 1e30 })));
  expect([...kept]).toEqual([documentObjectKey(document?.id ?? "")]);
  const { body } = await h.documents.open(document?.id ?? "", AbortSignal.timeout(10_000));
  expect(await bytesOf(body)).toHaveLength(200_000);
});

test("a text is stored as it is, whatever characters it has", async () => {
  await using h = await createHarness();
  const text = "null \0 half \ud800 whole 😀 \u2028 end";
  const { document } = await h.jobs.create(h.admin, textRequest(text));
  const { body } = await h.documents.open(document?.id ?? "", AbortSignal.timeout(10_000));
  expect((await bytesOf(body)).toString()).toBe(text.toWellFormed());
});
