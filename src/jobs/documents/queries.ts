import {
  array,
  type Fragment,
  inScope,
  type ScopedSql,
  type ScopedTransaction,
  type Sql,
  type WalledTransaction,
} from "../../db/sql.ts";
import { storableJson } from "../../lib/storable.ts";
import { doomObjects } from "../expiry-queries.ts";
import type { Document, DocumentSource } from "./model.ts";
import { shareObjects } from "./object-queries.ts";

/** As the driver gives it: bigints as text. */
export type DocumentRow = Omit<Document, "sizeBytes"> & { sizeBytes: string };

export const documentColumns = (sql: Sql): Fragment =>
  sql`id, owner_id, filename, media_type, size_bytes, sha256, source, uri, created_at as create_time,
    expires_at as expire_time`;

export const documentFromRow = (row: DocumentRow): Document => ({ ...row, sizeBytes: Number(row.sizeBytes) });

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
export async function insertDocuments(
  sql: WalledTransaction,
  documents: readonly NewDocument[],
): Promise<void> {
  const objects = documents.flatMap(({ sha256, body }) =>
    "objectKey" in body && sha256 !== null ? { sha256, key: body.objectKey, lostKey: body.lostKey } : [],
  );
  const shared =
    objects.length > 0
      ? await sql.everybody("documents with the same bytes share an object, whoever owns them", (all) =>
          shareObjects(all, objects),
        )
      : new Map<string, string>();
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

/** Removes documents that no job uses; their objects are noted to be removed. */
export async function deleteDocuments(sql: WalledTransaction, ids: readonly string[]): Promise<void> {
  const rows = await sql<{ objectKey: string | null }[]>`
    delete from documents where id = any(${array(ids)}::text::uuid[]) returning object_key`;
  await doomObjects(
    sql,
    rows.flatMap(({ objectKey }) => objectKey ?? []),
  );
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
export async function insertAwaitedDocument(
  sql: ScopedTransaction,
  document: AwaitedDocument,
): Promise<string | null> {
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
  sql: ScopedTransaction,
  requestId: string,
): Promise<Pick<AwaitedDocument, "id" | "filename" | "mediaType" | "uploadKey" | "expectedSha256"> | null> {
  const [row] = await sql<
    Pick<AwaitedDocument, "id" | "filename" | "mediaType" | "uploadKey" | "expectedSha256">[]
  >`select id, filename, media_type, upload_key, expected_sha256 from documents
    where ${inScope(sql)} and request_id = ${requestId}`;
  return row ?? null;
}

export async function findDocument(sql: ScopedSql, id: string): Promise<Document | null> {
  const [row] = await sql<DocumentRow[]>`
    select ${documentColumns(sql)} from documents
    where id = ${id} and ${inScope(sql)}`;
  return row ? documentFromRow(row) : null;
}

/** The document of a job, if both are in scope. */
export async function findDocumentOfJob(sql: ScopedSql, jobId: string): Promise<Document | null> {
  const [row] = await sql<DocumentRow[]>`
    select ${documentColumns(sql)} from documents
    where id = (select document_id from jobs where id = ${jobId} and ${inScope(sql)}) and ${inScope(sql)}`;
  return row ? documentFromRow(row) : null;
}

/** Those of these documents that are in scope. */
export async function findDocuments(sql: ScopedSql, ids: readonly string[]): Promise<Document[]> {
  const rows = await sql<DocumentRow[]>`
    select ${documentColumns(sql)} from documents
    where id = any(${array(ids)}::text::uuid[]) and ${inScope(sql)}`;
  return rows.map(documentFromRow);
}
