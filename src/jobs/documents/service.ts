import { createHash } from "node:crypto";
import type { Auditor } from "../../audit/auditor.ts";
import type { AuditEntry } from "../../audit/model.ts";
import {
  type Database,
  isConnectionLoss,
  type ScopedTransaction,
  type WalledTransaction,
} from "../../db/sql.ts";
import { type Caller, everybody, ownScope, type Scope, scopeOf } from "../../lib/caller.ts";
import { InvalidRequestError } from "../../lib/errors.ts";
import { isStorable } from "../../lib/storable.ts";
import type { ObjectStore } from "../../storage/object-store.ts";
import {
  DocumentEmptyError,
  DocumentHashMismatchError,
  DocumentNotFoundError,
  DocumentTooLargeError,
  RequestIdReusedError,
  UploadNotAwaitedError,
} from "../errors.ts";
import { doomObjectLater } from "../expiry-queries.ts";
import { NO_QUOTAS, type Quotas } from "../quotas.ts";
import {
  completeUpload,
  findAwaitingOwner,
  findBody,
  findExpectedHash,
  findUploaded,
} from "./body-queries.ts";
import { createUploadIntake } from "./intake.ts";
import { findLostObject } from "./lost-objects.ts";
import { type Document, type DocumentSource, documentObjectKey, INLINE_DOCUMENT_BYTES } from "./model.ts";
import { removeObjects } from "./objects.ts";
import {
  deleteDocuments,
  findByRequestId,
  findDocument,
  findDocumentOfJob,
  findDocuments,
  insertAwaitedDocument,
  insertDocuments,
  type NewDocument,
} from "./queries.ts";

export interface DocumentsDeps {
  db: Database;
  store: ObjectStore;
  audit: Auditor;
  newId: () => string;
  /** How long an upload is kept that no job uses; null: until it is deleted. */
  retentionMs: number | null;
  /** Largest document taken, in bytes. */
  maxBytes: number;
  /** Without them a user may have as many bytes stored as there is room for. */
  quotas?: Quotas;
}

/** What the client says about the bytes it sends. */
export interface DocumentHeader {
  filename: string;
  mediaType: string;
  /** 0 = unknown. */
  sizeBytes: number;
  /** Hex, in lower case; empty = unknown. */
  sha256: string;
}

/** How long the address of a presigned upload is good. */
const UPLOAD_SECONDS = 60 * 60;
/** When nothing is wanted of an upload's own object any more: its address has ended, its document is taken or forgotten. */
const UPLOAD_OVER_MS = 3 * 24 * 3_600_000;

export type DocumentsService = ReturnType<typeof createDocumentsService>;

export function createDocumentsService(deps: DocumentsDeps) {
  const { db, store, audit, newId, retentionMs, maxBytes, quotas = NO_QUOTAS } = deps;

  /** Before bytes are sent that could not be kept; what counts is asked again in the transaction that keeps them. */
  const refuseOverQuota = async (ownerId: string, bytes: number): Promise<void> => {
    if (quotas.isBounded) await db.begin((tx) => quotas.demand(tx, { ownerId, jobs: 0, bytes }));
  };

  const refuseTooLarge = (size: number): void => {
    if (size > maxBytes) throw new DocumentTooLargeError(maxBytes);
  };

  const refuseUnstorable = ({ filename, mediaType }: DocumentHeader): void => {
    const faults = Object.entries({ filename, media_type: mediaType })
      .filter(([, text]) => !isStorable(text))
      .map(([field]) => ({ field, description: "must not contain U+0000 or half of a surrogate pair" }));
    if (faults.length > 0) throw new InvalidRequestError(faults);
  };

  const awaitDocument = async (
    tx: ScopedTransaction,
    caller: Caller,
    header: DocumentHeader,
    requestId: string,
  ): Promise<{ id: string; uploadKey: string }> => {
    const id = newId();
    const { filename, mediaType } = header;
    const wanted = { filename, mediaType, expectedSha256: header.sha256 || null };
    const document = { ...wanted, id, ownerId: caller.userId, uploadKey: documentObjectKey(id) };
    if (await insertAwaitedDocument(tx, { ...document, requestId: requestId || null })) {
      await audit.record(tx, caller, documentEntry("create_upload", id));
      return document;
    }
    const made = await findByRequestId(tx, requestId);
    if (!made) throw new Error("an upload was neither created nor found");
    const same =
      made.filename === filename &&
      made.mediaType === mediaType &&
      made.expectedSha256 === wanted.expectedSha256;
    if (!same) throw new RequestIdReusedError(requestId, "document", made.id);
    return made;
  };

  /**
   * Takes the bytes of an awaited upload, which lie under `objectKey`. A link takes bytes once; the same bytes again are
   * no fault, for whoever got no answer.
   * @throws DocumentEmptyError, DocumentHashMismatchError, QuotaExceededError, UploadNotAwaitedError: then they are
   *   removed
   */
  const uploaded = async (
    uploadKey: string,
    objectKey: string,
    { size, sha256 }: { size: number; sha256: string },
  ): Promise<void> => {
    try {
      if (size === 0) throw new DocumentEmptyError();
      const expected = await findExpectedHash(db.sql, uploadKey);
      if (expected !== null && expected !== sha256) throw new DocumentHashMismatchError(expected, sha256);
      const lostKey = await findLostObject({ sql: db.sql, store }, { sha256, size });
      const bytes = { key: objectKey, lostKey, sizeBytes: size, sha256, retentionMs };
      const isTaken = await db.begin(async (tx) => {
        const ownerId = quotas.isBounded ? await findAwaitingOwner(tx, uploadKey) : null;
        if (ownerId !== null) await quotas.demand(tx, { ownerId, jobs: 0, bytes: size });
        return await completeUpload(tx, uploadKey, bytes);
      });
      if (isTaken) return;
      const kept = await findUploaded(db.sql, uploadKey);
      if (kept?.sha256 !== sha256) throw new UploadNotAwaitedError();
      if (kept.objectKey !== objectKey) await store.delete(objectKey);
    } catch (error) {
      // After a lost connection the row may name these bytes.
      if (!isConnectionLoss(error)) await store.delete(objectKey);
      throw error;
    }
  };

  const takeUpload = createUploadIntake({ db, store, maxBytes, uploaded });

  return {
    uploaded,
    takeUpload,

    /**
     * Makes the bytes of a request ready to be inserted with their job: small ones go into the row, larger
     * ones are in the object store before this returns.
     */
    async prepare(
      ownerId: string,
      source: { filename: string; mediaType: string; bytes: Uint8Array; source: DocumentSource },
    ): Promise<NewDocument> {
      if (source.bytes.length === 0) throw new DocumentEmptyError();
      refuseTooLarge(source.bytes.length);
      const sha256 = createHash("sha256").update(source.bytes).digest("hex");
      const document = {
        id: newId(),
        ownerId,
        filename: source.filename,
        mediaType: source.mediaType,
        sizeBytes: source.bytes.length,
        sha256,
        source: source.source,
        retentionMs: null,
      };
      if (source.bytes.length <= INLINE_DOCUMENT_BYTES)
        return { ...document, body: { content: source.bytes } };
      const objectKey = documentObjectKey(document.id);
      const { size } = await store.put(objectKey, source.bytes);
      const lostKey = await findLostObject({ sql: db.sql, store }, { sha256, size });
      return { ...document, body: { objectKey, lostKey } };
    },

    async insert(sql: WalledTransaction, documents: readonly NewDocument[]): Promise<void> {
      if (documents.length > 0) await insertDocuments(sql, documents);
    },

    /** Removes the objects of prepared documents that no row names, as far as database and store let it. */
    async forget(documents: readonly NewDocument[]): Promise<void> {
      const keys = documents.flatMap(({ body }) => ("objectKey" in body ? body.objectKey : []));
      await removeObjects({ db, store }, keys).catch(() => {});
    },

    /** Takes back what `insert` wrote in the same transaction. */
    async discard(sql: WalledTransaction, ids: readonly string[]): Promise<void> {
      if (ids.length > 0) await deleteDocuments(sql, ids);
    },

    /**
     * Takes a document as a stream, in constant memory; durable before this returns.
     * @throws DocumentTooLargeError, DocumentEmptyError, DocumentHashMismatchError, QuotaExceededError: then nothing is
     *   kept
     */
    async upload(caller: Caller, header: DocumentHeader, body: AsyncIterable<Uint8Array>): Promise<Document> {
      refuseTooLarge(header.sizeBytes);
      refuseUnstorable(header);
      await refuseOverQuota(caller.userId, header.sizeBytes);
      const id = newId();
      const objectKey = documentObjectKey(id);
      const stored = await store.put(objectKey, capped(body, maxBytes));
      try {
        if (stored.size === 0) throw new DocumentEmptyError();
        if (header.sha256 && header.sha256 !== stored.sha256) {
          throw new DocumentHashMismatchError(header.sha256, stored.sha256);
        }
        const lostKey = await findLostObject({ sql: db.sql, store }, stored);
        const document: NewDocument = {
          id,
          ownerId: caller.userId,
          filename: header.filename,
          mediaType: header.mediaType,
          sizeBytes: stored.size,
          sha256: stored.sha256,
          source: "UPLOAD",
          body: { objectKey, lostKey },
          retentionMs,
        };
        await db.beginScoped(ownScope(caller), async (tx) => {
          await quotas.demand(tx, { ownerId: caller.userId, jobs: 0, bytes: stored.size });
          await insertDocuments(tx, [document]);
          await audit.record(tx, caller, documentEntry("upload", id));
        });
      } catch (error) {
        // After a lost connection nobody knows whether the commit stands, and a row may name the bytes.
        if (!isConnectionLoss(error)) await store.delete(objectKey);
        throw error;
      }
      return await this.get(caller, id);
    },

    /**
     * An address to which a browser may PUT the bytes without a credential, for an hour. A repeated `requestId`
     * gives a new address for the same document. @throws DocumentTooLargeError, QuotaExceededError, RequestIdReusedError
     */
    async createUpload(
      caller: Caller,
      header: DocumentHeader,
      requestId: string,
    ): Promise<{ documentId: string; url: string; headers: Record<string, string>; expireTime: Date }> {
      refuseTooLarge(header.sizeBytes);
      refuseUnstorable(header);
      await refuseOverQuota(caller.userId, header.sizeBytes);
      const { id, uploadKey } = await db.beginScoped(ownScope(caller), async (tx) => {
        const awaited = await awaitDocument(tx, caller, header, requestId);
        // The address takes bytes until it ends, also when nobody wants them any more.
        await doomObjectLater(tx, awaited.uploadKey, UPLOAD_OVER_MS);
        return awaited;
      });
      const signed = await store.signPut(uploadKey, {
        expiresInSeconds: UPLOAD_SECONDS,
        maxBytes,
        ...(header.sizeBytes > 0 ? { sizeBytes: header.sizeBytes } : {}),
      });
      return { documentId: id, url: signed.url, headers: signed.headers, expireTime: signed.expireTime };
    },

    /** @throws DocumentNotFoundError */
    async get(caller: Caller, id: string): Promise<Document> {
      const document = await findDocument(db.scoped(scopeOf(caller, "documents:read")), id);
      if (!document) throw new DocumentNotFoundError(id);
      return document;
    },

    /**
     * A document that a job can be made of: one whose bytes are there, or that a worker can fetch. Bytes that lie in the
     * store, and that nobody has looked at yet, are taken first.
     * @throws DocumentNotFoundError, and what `takeUpload` throws
     */
    async getUsable(caller: Caller, id: string): Promise<Document> {
      const document = await this.get(caller, id);
      if (document.sha256 !== null || document.source === "URI") return document;
      await takeUpload(id);
      return await this.get(caller, id);
    },

    /** The document of a job, if both are in the scope. */
    async ofJob(scope: Scope, jobId: string): Promise<Document | null> {
      return await findDocumentOfJob(db.scoped(scope), jobId);
    },

    /** Those of these that are in the scope, by id. */
    async many(scope: Scope, ids: readonly string[]): Promise<Map<string, Document>> {
      const documents = ids.length > 0 ? await findDocuments(db.scoped(scope), ids) : [];
      return new Map(documents.map((document) => [document.id, document]));
    },

    /** Without a caller, for the worker that holds a job on it. @throws DocumentNotFoundError */
    async find(id: string): Promise<Document> {
      const all = db.scoped(everybody("a worker runs the jobs of all owners"));
      const document = await findDocument(all, id);
      if (!document) throw new DocumentNotFoundError(id);
      return document;
    },

    /** The bytes, for the worker that holds a job on it. @throws DocumentNotFoundError */
    async open(
      id: string,
      signal: AbortSignal,
    ): Promise<{ document: Document; body: AsyncIterable<Uint8Array> }> {
      const found = await findBody(db.sql, id);
      if (!found) throw new DocumentNotFoundError(id);
      const { body, ...document } = found;
      if ("content" in body) return { document, body: once(body.content) };
      const object = await store.get(body.objectKey, {}, signal);
      return { document, body: object.body };
    },
  };
}

function documentEntry(verb: "create_upload" | "upload", documentId: string): AuditEntry {
  return { action: `documents.${verb}`, resourceType: "document", resourceId: documentId };
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

async function* capped(body: AsyncIterable<Uint8Array>, maxBytes: number): AsyncIterable<Uint8Array> {
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new DocumentTooLargeError(maxBytes);
    yield chunk;
  }
}
