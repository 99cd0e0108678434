import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { isConnectionLoss, openDatabase } from "../../../src/db/sql.ts";
import { createDocumentsService, type DocumentHeader } from "../../../src/jobs/documents/service.ts";
import {
  DocumentEmptyError,
  DocumentHashMismatchError,
  DocumentNotUploadedError,
  DocumentTooLargeError,
} from "../../../src/jobs/errors.ts";
import { ownScope } from "../../../src/lib/caller.ts";
import { InvalidRequestError } from "../../../src/lib/errors.ts";
import { newId } from "../../../src/lib/ids.ts";
import type { ObjectStore } from "../../../src/storage/object-store.ts";
import { createHarness, type Harness, textRequest } from "../../support/harness.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { auditOf, bytesOf, countOf, sha256 } from "./steps.ts";

const MAX = 100_000;
const header = (changes: Partial<DocumentHeader> = {}): DocumentHeader => ({
  filename: "a.bin",
  mediaType: "application/octet-stream",
  sizeBytes: 0,
  sha256: "",
  ...changes,
});

async function* pieces(...parts: (string | Uint8Array)[]): AsyncIterable<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

/** A documents service with a small limit, on the real store, and the keys that lie in it. */
function limited(h: Harness) {
  const kept = new Set<string>();
  const store: ObjectStore = {
    ...h.store,
    async put(key, body) {
      const stored = await h.store.put(key, body);
      kept.add(key);
      return stored;
    },
    async delete(key) {
      await h.store.delete(key);
      kept.delete(key);
    },
  };
  return {
    kept,
    documents: createDocumentsService({
      ...h,
      store,
      audit: createAuditor(),
      newId,
      retentionMs: null,
      maxBytes: MAX,
    }),
  };
}

test("a document that comes in pieces is kept whole, with its size and hash, and becomes a job", async () => {
  await using h = await createHarness();
  const { documents } = limited(h);
  const document = await documents.upload(
    h.admin,
    header({ sha256: sha256("hello world") }),
    pieces("hello ", "", "world"),
  );
  expect(document).toMatchObject({ sizeBytes: 11, sha256: sha256("hello world"), source: "UPLOAD" });
  const { body } = await documents.open(document.id, AbortSignal.timeout(10_000));
  expect((await bytesOf(body)).toString()).toBe("hello world");
  expect(await auditOf(h, document.id)).toEqual(["documents.upload"]);
  const { job } = await h.jobs.create(
    h.admin,
    textRequest("", { source: { kind: "document", documentId: document.id } }),
  );
  expect(job.documentId).toBe(document.id);
});

test("an upload that is refused leaves neither row nor object nor audit entry", async () => {
  await using h = await createHarness();
  const { documents, kept } = limited(h);
  const upload = (head: Partial<DocumentHeader>, ...parts: (string | Uint8Array)[]) =>
    documents.upload(h.admin, header(head), pieces(...parts));
  await expect(upload({ sha256: sha256("other") }, "bytes")).rejects.toThrow(DocumentHashMismatchError);
  await expect(upload({})).rejects.toThrow(DocumentEmptyError);
  await expect(upload({}, "", "")).rejects.toThrow(DocumentEmptyError);
  await expect(upload({}, Buffer.alloc(MAX), "x")).rejects.toThrow(DocumentTooLargeError);
  await expect(upload({ sizeBytes: MAX + 1 }, "x")).rejects.toThrow(DocumentTooLargeError);
  await expect(upload({ filename: "a\0b" }, "x")).rejects.toThrow(InvalidRequestError);
  await expect(upload({ mediaType: "\ud800" }, "x")).rejects.toThrow(InvalidRequestError);
  const cut = (async function* () {
    yield Buffer.from("half");
    throw new Error("connection lost");
  })();
  await expect(documents.upload(h.admin, header(), cut)).rejects.toThrow("connection lost");
  expect([...kept]).toEqual([]);
  expect(await countOf(h, "documents")).toBe(0);
  expect(await countOf(h, "audit_logs")).toBe(0);
  await upload({}, Buffer.alloc(MAX));
});

test("small documents stand in their row, larger ones in the object store", async () => {
  await using h = await createHarness();
  const { documents, kept } = limited(h);
  const prepare = async (size: number) =>
    await documents.prepare(h.admin.userId, {
      filename: "",
      mediaType: "",
      source: "INLINE",
      bytes: Buffer.alloc(size, 7),
    });
  const small = await prepare(64 * 1024);
  expect([...kept]).toEqual([]);
  const large = await prepare(64 * 1024 + 1);
  expect(kept.size).toBe(1);
  await h.db.beginScoped(ownScope(h.admin), (tx) => documents.insert(tx, [small, large]));
  for (const { id, sizeBytes } of [small, large]) {
    const { body } = await documents.open(id, AbortSignal.timeout(10_000));
    expect(await bytesOf(body)).toEqual(Buffer.alloc(sizeBytes, 7));
  }
  await expect(prepare(0)).rejects.toThrow(DocumentEmptyError);
  await expect(prepare(MAX + 1)).rejects.toThrow(DocumentTooLargeError);
});

test("a document whose presigned upload has not arrived makes no job", async () => {
  await using h = await createHarness();
  const { documentId } = await h.documents.createUpload(h.admin, header(), "");
  const request = textRequest("", { source: { kind: "document", documentId } });
  await expect(h.jobs.create(h.admin, request)).rejects.toThrow(DocumentNotUploadedError);
});

test("a repeated request id of an upload gives the same document with a new address, and refuses another one", async () => {
  await using h = await createHarness();
  const first = await h.documents.createUpload(h.admin, header(), "r1");
  const again = await h.documents.createUpload(h.admin, header(), "r1");
  expect(again.documentId).toBe(first.documentId);
  const other = h.documents.createUpload(h.admin, { ...header(), filename: "other.pdf" }, "r1");
  await expect(other).rejects.toMatchObject({ reason: "REQUEST_ID_REUSED" });
  expect((await h.documents.createUpload(h.caller(), header(), "r1")).documentId).not.toBe(first.documentId);
});

test("bytes whose upload was committed stay when the answer is lost, and the same bytes again are welcome", async () => {
  await using h = await createHarness();
  await using proxy = await startTcpProxy(h.databaseUrl);
  const db = openDatabase({
    url: proxy.url,
    maxConnections: 2,
    statementTimeoutMs: 5_000,
    applicationName: "test",
  });
  const { documents } = h.newProcess(db);
  const { documentId } = await h.documents.createUpload(h.admin, header(), "");
  const key = `documents/${documentId}`;
  const stored = await h.store.put(key, Buffer.from("%PDF-1.7 bytes"));
  const lost = proxy.loseAnswerTo("update documents set size_bytes");
  await expect(documents.uploaded(key, key, stored)).rejects.toSatisfy(isConnectionLoss);
  await lost;
  expect(await h.store.head(key)).toEqual({ size: stored.size });
  await documents.uploaded(key, key, stored);
  const { sha256 } = await h.documents.get(h.admin, documentId);
  expect(sha256).toBe(stored.sha256);
  expect(await h.store.head(key)).toEqual({ size: stored.size });
  await db.close();
});
