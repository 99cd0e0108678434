import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { createDocumentsService, type DocumentHeader } from "../../../src/jobs/documents/service.ts";
import { newId } from "../../../src/lib/ids.ts";
import { createHarness, type Harness, textRequest, until } from "../../support/harness.ts";
import { type S3Server, startS3 } from "../../support/s3.ts";
import { visit } from "../doctor/doctor-harness.ts";
import { bytesOf, countOf, sha256 } from "./steps.ts";

const DAY_MS = 86_400_000;
const header: DocumentHeader = { filename: "a.txt", mediaType: "text/plain", sizeBytes: 0, sha256: "" };

async function put(url: string, body: string | Buffer): Promise<void> {
  const answer = await fetch(url, { method: "PUT", body: new Uint8Array(Buffer.from(body)) });
  expect([answer.status, await answer.text()]).toEqual([200, ""]);
}

async function keysIn(h: Harness): Promise<string[]> {
  const keys: string[] = [];
  for (const folder of ["documents", "results", "checkpoints", "sources"])
    for await (const { key } of h.store.list(folder)) keys.push(key);
  return keys.sort();
}

const jobOn = (h: Harness, documentId: string) =>
  h.jobs.create(h.admin, textRequest("", { source: { kind: "document", documentId } }));

async function withBucket(
  options: { retentionMs?: number } = {},
): Promise<{ h: Harness; s3: S3Server } & AsyncDisposable> {
  const s3 = await startS3();
  const h = await createHarness({ storageUrl: s3.url, ...options });
  const end = async () => {
    await h[Symbol.asyncDispose]();
    await s3[Symbol.asyncDispose]();
  };
  return { h, s3, [Symbol.asyncDispose]: end };
}

/** Everything whose time will come has it now. */
const letTimePass = async (h: Harness): Promise<void> => {
  await h.db.sql`update documents set expires_at = expires_at - interval '10 years'`;
  await h.db.sql`update doomed_objects set since = since - interval '10 years'`;
};

test("what was put to the bucket becomes a document with size and hash when a job asks for it, and stays what it was", async () => {
  await using both = await withBucket();
  const { h } = both;
  const { documentId, url } = await h.documents.createUpload(h.admin, header, "");
  await expect(jobOn(h, documentId)).rejects.toMatchObject({ reason: "DOCUMENT_NOT_UPLOADED" });
  const content = "the first bytes ".repeat(10_000);
  await put(url, content);
  const { document } = await jobOn(h, documentId);
  expect(document).toMatchObject({ sizeBytes: content.length, sha256: sha256(content), source: "UPLOAD" });
  await put(url, "others");
  const { body } = await h.documents.open(documentId, AbortSignal.timeout(10_000));
  expect((await bytesOf(body)).toString()).toBe(content);
  expect((await jobOn(h, documentId)).document?.sha256).toBe(sha256(content));
  // What the address took later is of no use, and goes when its time is over.
  expect(await keysIn(h)).toHaveLength(2);
  await letTimePass(h);
  await h.expiry.sweep();
  expect(await keysIn(h)).toHaveLength(1);
  expect(await countOf(h, "doomed_objects")).toBe(0);
});

test("what was put is refused for the same reasons as by a route of our own, and the right bytes may follow", async () => {
  await using both = await withBucket();
  const { h } = both;
  const documents = createDocumentsService({
    ...h,
    audit: createAuditor(),
    newId,
    retentionMs: null,
    maxBytes: 1_000,
  });
  const cases = [
    ["", "DOCUMENT_EMPTY"],
    ["x".repeat(1_001), "DOCUMENT_TOO_LARGE"],
    ["other bytes", "DOCUMENT_HASH_MISMATCH"],
  ] as const;
  for (const [bytes, reason] of cases) {
    const wanted = { ...header, sha256: sha256("right") };
    const { documentId, url } = await documents.createUpload(h.admin, wanted, "");
    await put(url, bytes);
    await expect(documents.getUsable(h.admin, documentId)).rejects.toMatchObject({ reason });
    expect(await keysIn(h)).toEqual([]);
    await put(url, "right");
    expect(await documents.getUsable(h.admin, documentId)).toMatchObject({ sizeBytes: 5 });
    await h.store.delete((await keysIn(h))[0] ?? "");
  }
  const tooLong = documents.createUpload(h.admin, { ...header, sizeBytes: 1_001 }, "");
  await expect(tooLong).rejects.toMatchObject({ reason: "DOCUMENT_TOO_LARGE" });
});

test("many jobs at once on one upload, of two processes, share one document and leave one object", async () => {
  await using both = await withBucket();
  const { h } = both;
  const other = h.newProcess();
  const { documentId, url } = await h.documents.createUpload(h.admin, header, "");
  await put(url, "shared");
  const request = textRequest("", { source: { kind: "document", documentId } });
  const made = await Promise.all(
    [h.jobs, other.jobs, h.jobs, other.jobs].map((jobs) => jobs.create(h.admin, request)),
  );
  expect(new Set(made.map(({ document }) => document?.sha256))).toEqual(new Set([sha256("shared")]));
  expect(await keysIn(h)).toHaveLength(1);
});

test("an upload that no job has asked for is taken before it would be forgotten, one that never came is forgotten", async () => {
  await using both = await withBucket();
  const { h, s3 } = both;
  const [came, never] = [
    await h.documents.createUpload(h.admin, header, ""),
    await h.documents.createUpload(h.admin, header, ""),
  ];
  await put(came.url, "here I am");
  await h.db.sql`update documents set expires_at = now()`;
  s3.refuseAll(true);
  await expect(h.expiry.sweep()).rejects.toMatchObject({ reason: "STORAGE_UNAVAILABLE" });
  expect(await countOf(h, "documents")).toBe(2);
  s3.refuseAll(false);
  expect(await h.expiry.sweep()).toMatchObject({ documents: 1 });
  expect(await h.documents.get(h.admin, came.documentId)).toMatchObject({
    sha256: sha256("here I am"),
    expireTime: null,
  });
  await expect(h.documents.get(h.admin, never.documentId)).rejects.toMatchObject({
    reason: "DOCUMENT_NOT_FOUND",
  });
  await letTimePass(h);
  await h.expiry.sweep();
  expect(await keysIn(h)).toHaveLength(1);
});

test("a job runs over the bucket from its document to a large result, and leaves nothing there when it is deleted", async () => {
  await using both = await withBucket();
  const { h } = both;
  await h.startWorker({ concurrency: 1 });
  const text = Array.from({ length: 1_200 }, (_, i) => `${i} ${"is a long paragraph ".repeat(50)}`).join(
    "\n\n",
  );
  const { job } = await h.jobs.create(h.admin, textRequest(text));
  await until(
    async () => (await h.jobs.get(h.admin, job.id)).job.status === "COMPLETED",
    "the job is done",
    40_000,
  );
  const { result, download } = await h.jobs.result(h.admin, job.id);
  expect(result.outputUri).toMatch(/^s3:\/\/sluice-test\/a\/prefix\/results\//);
  const part = await fetch(download?.url ?? "", { headers: { range: "bytes=10-19" } });
  const whole = Buffer.from(await (await fetch(download?.url ?? "")).arrayBuffer());
  expect(sha256(whole)).toBe(result.sha256);
  expect(await part.text()).toBe(whole.subarray(10, 20).toString());
  const from = await h.jobs.download(h.admin, job.id, "TEXT", 1_000_000, AbortSignal.timeout(10_000));
  expect((await bytesOf(from.body)).equals(whole.subarray(1_000_000))).toBe(true);
  const { of } = await visit(h);
  expect([of("storage"), of("objects"), of("leftovers")].flat().map(({ level }) => level)).toEqual([
    "ok",
    "ok",
    "ok",
  ]);
  await h.jobs.delete(h.admin, job.id);
  expect(await keysIn(h)).toEqual([]);
});

test("the doctor finds and removes what nothing names in the bucket, and leaves an upload that is still awaited", async () => {
  await using both = await withBucket();
  const { h, s3 } = both;
  const { url } = await h.documents.createUpload(h.admin, header, "");
  await put(url, "awaited");
  const awaited = await keysIn(h);
  const orphans = [`documents/${newId()}`, `results/${newId()}/${newId()}/document.md`];
  for (const key of orphans) await h.store.put(key, Buffer.from("left"));
  const later = { now: () => Date.now() + DAY_MS + 60_000 };
  expect((await visit(h, later)).of("leftovers")).toMatchObject([{ code: "OBJECTS_LEFT", count: 2 }]);
  await visit(h, { ...later, repair: true });
  expect(await keysIn(h)).toEqual(awaited);
  s3.refuseAll(true);
  const broken = await visit(h);
  expect(broken.of("storage")).toMatchObject([{ level: "fault", code: "STORAGE_BROKEN" }]);
  expect(broken.skipped).toContain("leftovers");
});
