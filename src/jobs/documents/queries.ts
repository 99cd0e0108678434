import { array, type Fragment, type Sql } from "../../db/sql.ts";
import type { Scope } from "../../lib/caller.ts";
import { storable, storableJson } from "../../lib/storable.ts";
import { doomObjects, expiryFromNow } from "../expiry-queries.ts";
import type { Document, DocumentBody, DocumentSource } from "./model.ts";
import { type SharedObject, shareObjects } from "./object-queries.ts";

type DocumentRow = Omit<Document, "sizeBytes"> & { sizeBytes: string };

const documentColumns = (sql: Sql): Fragment =>
  sql`id, owner_id, filename, media_type, size_bytes, sha256, source, uri, created_at as create_time,
    expires_at as expire_time`;

const fromRow = (row: DocumentRow): Document => ({ ...row, sizeBytes: Number(row.sizeBytes) });

/** A document with its bytes, with the key of the object that holds them, or with the address to fetch them from. */
export interface NewDocument {
  id: string;
  ownerId: string;
  filename: string;
  mediaType: string;
  sizeBytes: number;
  /** Null when its bytes are to be fetched. */
  sha256: string | null;
  source: DocumentSource;
  body:
    | { content: Uint8Array }
    | { objectKey: string; lostKey: string | null }
    | { uri: string; sealedUri: Uint8Array };
  /** When it is deleted unless a job uses it; null: not by itself. Those that come with a job go with it. */
  retentionMs: number | null;
}

/** Inserts them; of those with the same bytes in the object store all name one object. */
export async function insertDocuments(sql: Sql, documents: readonly NewDocument[]): Promise<void> {
  const shared = await shareObjects(
    sql,
    documents.flatMap(({ sha256, body }) =>
      "objectKey" in body && sha256 !== null ? { sha256, key: body.objectKey, lostKey: body.lostKey } : [],
    ),
  );
  const records = documents.map(({ body, ...document }) => ({
    ...document,
    content: "content" in body ? Buffer.from(body.content).toString("base64") : null,
    objectKey: "objectKey" in body ? shared.get(document.sha256 ?? "") : null,
    uri: "uri" in body ? body.uri : "",
    sealedUri: "sealedUri" in body ? Buffer.from(body.sealedUri).toString("base64") : null,
  }));
  await sql`
    insert into documents (id, owner_id, filename, media_type, size_bytes, sha256, source, content, object_key, uri, sealed_uri, expires_at)
    select r.id, r."ownerId", r.filename, r."mediaType", r."sizeBytes", r.sha256, r.source, decode(r.content, 'base64'),
      r."objectKey", r.uri, decode(r."sealedUri", 'base64'), now() + r."retentionMs" * interval '1 millisecond'
    from jsonb_to_recordset(${storableJson(records)}::text::jsonb) as r(id uuid, "ownerId" uuid, filename text,
      "mediaType" text, "sizeBytes" bigint, sha256 text, source text, content text, "objectKey" text, uri text, "sealedUri" text, "retentionMs" float8)`;
}

/** The encrypted address of a document that is fetched; null for any other. */
export async function findSealedUri(sql: Sql, id: string): Promise<Uint8Array | null> {
  const [row] = await sql<
    { sealedUri: Uint8Array | null }[]
  >`select sealed_uri from documents where id = ${id}`;
  return row?.sealedUri ?? null;
}

/**
 * Notes the bytes of a fetched document, in a transaction, unless some are noted already. Answers the hash of the bytes that are noted from
 * then on, and the key of the object that holds them; null when the row does. Null when the document is gone.
 */
export async function keepBytes(
  sql: Sql,
  id: string,
  bytes: {
    sizeBytes: number;
    sha256: string;
    mediaType: string;
    content: Uint8Array | null;
    objectKey: string | null;
    lostKey: string | null;
  },
): Promise<{ sha256: string; objectKey: string | null } | null> {
  const [awaited] = await sql`
    select id from documents where id = ${id} and source = 'URI' and sha256 is null for no key update`;
  if (awaited) {
    const objectKey = bytes.objectKey && (await shareObject(sql, { ...bytes, key: bytes.objectKey }));
    await sql`
      update documents set size_bytes = ${bytes.sizeBytes}, sha256 = ${bytes.sha256}, content = ${bytes.content},
        object_key = ${objectKey}, media_type = ${storable(bytes.mediaType)} where id = ${id}`;
  }
  const [row] = await sql<{ sha256: string; objectKey: string | null }[]>`
    select sha256, object_key from documents where id = ${id}`;
  return row ?? null;
}

/** Removes documents that no job uses; their objects are noted to be removed. */
export async function deleteDocuments(sql: Sql, ids: readonly string[]): Promise<void> {
  const rows = await sql<{ objectKey: string | null }[]>`
    delete from documents where id = any(${array(ids)}::text::uuid[]) returning object_key`;
  await doomObjects(
    sql,
    rows.flatMap(({ objectKey }) => objectKey ?? []),
  );
}

async function shareObject(sql: Sql, object: SharedObject): Promise<string> {
  return (await shareObjects(sql, [object])).get(object.sha256) ?? object.key;
}

/** An upload that nobody has sent by then is forgotten; its address is good for an hour. */
const AWAITED = "2 days";

/** A document whose bytes are to come by a presigned upload. */
export interface AwaitedDocument {
  id: string;
  ownerId: string;
  filename: string;
  mediaType: string;
  uploadKey: string;
  expectedSha256: string | null;
  requestId: string | null;
}

/**
 * Inserts it, or answers null when the owner's request id has made one within 24 hours; an older one gives the
 * request id free.
 */
export async function insertAwaitedDocument(sql: Sql, document: AwaitedDocument): Promise<string | null> {
  if (document.requestId !== null) {
    await sql`update documents set request_id = null where owner_id = ${document.ownerId}
      and request_id = ${document.requestId} and created_at <= now() - interval '24 hours'`;
  }
  const [row] = await sql<{ id: string }[]>`
    insert into documents (id, owner_id, filename, media_type, source, upload_key, expected_sha256, request_id, expires_at)
    values (${document.id}, ${document.ownerId}, ${document.filename}, ${document.mediaType}, 'UPLOAD',
      ${document.uploadKey}, ${document.expectedSha256}, ${document.requestId}, now() + ${AWAITED}::interval)
    on conflict (owner_id, request_id) where request_id is not null do nothing
    returning id`;
  return row?.id ?? null;
}

/** The document that the owner's request id made. */
export async function findByRequestId(
  sql: Sql,
  ownerId: string,
  requestId: string,
): Promise<Pick<AwaitedDocument, "id" | "filename" | "mediaType" | "uploadKey" | "expectedSha256"> | null> {
  const [row] = await sql<
    Pick<AwaitedDocument, "id" | "filename" | "mediaType" | "uploadKey" | "expectedSha256">[]
  >`select id, filename, media_type, upload_key, expected_sha256 from documents
    where owner_id = ${ownerId} and request_id = ${requestId}`;
  return row ?? null;
}

/** Notes where the bytes of an awaited upload lie, in a transaction. False when it is not, or no longer, awaited. */
export async function completeUpload(
  sql: Sql,
  uploadKey: string,
  stored: SharedObject & { sizeBytes: number; retentionMs: number | null },
): Promise<boolean> {
  const [awaited] = await sql<{ id: string }[]>`
    select id from documents where upload_key = ${uploadKey} and sha256 is null for no key update`;
  if (!awaited) return false;
  const objectKey = await shareObject(sql, stored);
  await sql`update documents set size_bytes = ${stored.sizeBytes}, sha256 = ${stored.sha256},
    object_key = ${objectKey}, expires_at = ${expiryFromNow(sql, stored.retentionMs)} where id = ${awaited.id}`;
  return true;
}

/** Whose document waits for the upload; null when it is not, or no longer, awaited. */
export async function findAwaitingOwner(sql: Sql, uploadKey: string): Promise<string | null> {
  const [row] = await sql<{ ownerId: string }[]>`
    select owner_id from documents where upload_key = ${uploadKey} and sha256 is null`;
  return row?.ownerId ?? null;
}

/** The key of the upload that a document waits for; null when it waits for none. */
export async function findAwaitedUpload(sql: Sql, id: string): Promise<string | null> {
  const [row] = await sql<{ uploadKey: string }[]>`
    select upload_key from documents where id = ${id} and upload_key is not null and sha256 is null`;
  return row?.uploadKey ?? null;
}

/** Up to `limit` documents whose upload has not been noted by the time that they are forgotten. */
export async function lateUploads(sql: Sql, limit: number): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from documents where expires_at <= now() and upload_key is not null and sha256 is null
    order by expires_at limit ${limit}`;
  return rows.map(({ id }) => id);
}

/** What an upload has brought; null while it is awaited. */
export async function findUploaded(
  sql: Sql,
  uploadKey: string,
): Promise<{ sha256: string; objectKey: string | null } | null> {
  const [row] = await sql<{ sha256: string; objectKey: string | null }[]>`
    select sha256, object_key from documents where upload_key = ${uploadKey} and sha256 is not null`;
  return row ?? null;
}

/** The hash that was announced for an upload, if one was. */
export async function findExpectedHash(sql: Sql, uploadKey: string): Promise<string | null> {
  const [row] = await sql<{ expectedSha256: string | null }[]>`
    select expected_sha256 from documents where upload_key = ${uploadKey}`;
  return row?.expectedSha256 ?? null;
}

export async function findDocument(sql: Sql, scope: Scope, id: string): Promise<Document | null> {
  const [row] = await sql<DocumentRow[]>`
    select ${documentColumns(sql)} from documents
    where id = ${id} and (${scope.ownerId}::uuid is null or owner_id = ${scope.ownerId})`;
  return row ? fromRow(row) : null;
}

/** The documents of these jobs, for listings. */
export async function findDocuments(sql: Sql, ids: readonly string[]): Promise<Document[]> {
  const rows = await sql<DocumentRow[]>`
    select ${documentColumns(sql)} from documents
    where id = any(${array(ids)}::text::uuid[])`;
  return rows.map(fromRow);
}

/** Where the bytes of a document lie; null when it is gone or was never uploaded. */
export async function findBody(sql: Sql, id: string): Promise<(Document & { body: DocumentBody }) | null> {
  const [row] = await sql<(DocumentRow & { content: Uint8Array | null; objectKey: string | null })[]>`
    select ${documentColumns(sql)}, content, object_key
    from documents where id = ${id}`;
  if (!row) return null;
  const { content, objectKey, ...document } = row;
  if (objectKey !== null) return { ...fromRow(document), body: { objectKey } };
  return content ? { ...fromRow(document), body: { content } } : null;
}
