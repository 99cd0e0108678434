import type { Sql } from "../../db/sql.ts";
import { storable } from "../../lib/storable.ts";
import { expiryFromNow } from "../expiry-queries.ts";
import type { Document, DocumentBody } from "./model.ts";
import { type SharedObject, shareObjects } from "./object-queries.ts";
import { type DocumentRow, documentColumns, documentFromRow } from "./queries.ts";

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

async function shareObject(sql: Sql, object: SharedObject): Promise<string> {
  return (await shareObjects(sql, [object])).get(object.sha256) ?? object.key;
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

/** Where the bytes of a document lie; null when it is gone or was never uploaded. */
export async function findBody(sql: Sql, id: string): Promise<(Document & { body: DocumentBody }) | null> {
  const [row] = await sql<(DocumentRow & { content: Uint8Array | null; objectKey: string | null })[]>`
    select ${documentColumns(sql)}, content, object_key
    from documents where id = ${id}`;
  if (!row) return null;
  const { content, objectKey, ...document } = row;
  if (objectKey !== null) return { ...documentFromRow(document), body: { objectKey } };
  return content ? { ...documentFromRow(document), body: { content } } : null;
}
