import { randomUUID } from "node:crypto";
import type { Database } from "../../db/sql.ts";
import { createLimiter } from "../../lib/limiter.ts";
import { ObjectNotFoundError } from "../../storage/errors.ts";
import type { ObjectStore } from "../../storage/object-store.ts";
import {
  DocumentEmptyError,
  DocumentNotUploadedError,
  DocumentsBusyError,
  DocumentTooLargeError,
  UploadNotAwaitedError,
} from "../errors.ts";
import { findAwaitedUpload } from "./body-queries.ts";

export interface IntakeDeps {
  readonly db: Database;
  readonly store: ObjectStore;
  /** Largest document taken, in bytes. */
  readonly maxBytes: number;
  /** Takes bytes that lie under `objectKey`, or removes them and says why not. */
  readonly uploaded: (
    uploadKey: string,
    objectKey: string,
    stored: { size: number; sha256: string },
  ) => Promise<void>;
}

/** Uploads that one process reads at once; each holds some parts in memory. */
const AT_ONCE = 4;
const MAX_WAITING = 2_000;

/**
 * Takes uploads that a store with links of its own has received without telling us. Nobody has counted or hashed their
 * bytes, and whoever has the link can replace them: they are read once, and what was read is stored as the document.
 */
export function createUploadIntake({ db, store, maxBytes, uploaded }: IntakeDeps) {
  const underWay = new Map<string, Promise<void>>();
  const limited = createLimiter(AT_ONCE, { maxWaiting: MAX_WAITING, full: () => new DocumentsBusyError() });

  const read = async (id: string, uploadKey: string): Promise<void> => {
    const found = await store.head(uploadKey);
    if (!found) throw new DocumentNotUploadedError(id);
    if (found.size === 0) throw new DocumentEmptyError();
    if (found.size > maxBytes) throw new DocumentTooLargeError(maxBytes);
    const { body } = await store.get(uploadKey);
    const objectKey = `${uploadKey}/${randomUUID()}`;
    await uploaded(uploadKey, objectKey, await store.put(objectKey, body, { maxBytes }));
  };

  const take = async (id: string): Promise<void> => {
    const uploadKey = await findAwaitedUpload(db.sql, id);
    if (uploadKey === null) return;
    try {
      await read(id, uploadKey);
    } catch (error) {
      // Another process has taken it, or the bytes were replaced while they were read.
      if (error instanceof UploadNotAwaitedError) return;
      if (error instanceof ObjectNotFoundError) throw new DocumentNotUploadedError(id);
      // What was refused makes room for the right bytes.
      if (isRefusal(error)) await store.delete(uploadKey);
      throw error;
    }
    // What fails here is removed when its time is over.
    await store.delete(uploadKey).catch(() => {});
  };

  /**
   * Makes the document usable if its bytes have arrived; calls for the same one share the work.
   * @throws DocumentNotUploadedError, and as an upload by a route of this service: DocumentEmptyError,
   *   DocumentTooLargeError, DocumentHashMismatchError
   */
  return async (id: string): Promise<void> => {
    let taking = underWay.get(id);
    if (!taking) {
      taking = limited(() => take(id)).finally(() => underWay.delete(id));
      underWay.set(id, taking);
    }
    await taking;
  };
}

const REFUSALS = ["DOCUMENT_EMPTY", "DOCUMENT_TOO_LARGE", "DOCUMENT_HASH_MISMATCH"];

function isRefusal(error: unknown): boolean {
  return REFUSALS.includes((error as { reason?: string }).reason ?? "");
}
