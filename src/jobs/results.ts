import type { Database } from "../db/sql.ts";
import { type Caller, type Scope, scopeOf } from "../lib/caller.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { ResultExpiredError, ResultNotReadyError } from "./errors.ts";
import type { Job, JobResult, ResultContent, ResultFormat } from "./model.ts";
import { findResult, findResultContent } from "./queries.ts";

interface ResultsDeps {
  readonly db: Database;
  readonly store: ObjectStore;
  /** @throws JobNotFoundError */
  readonly find: (scope: Scope, id: string) => Promise<Job>;
}

/** How long the address of a large result is good. */
const DOWNLOAD_SECONDS = 15 * 60;

/** The verbs of callers for what jobs have made. */
export function createResults({ db, store, find }: ResultsDeps) {
  const result = async (scope: Scope, id: string): Promise<{ job: Job; result: JobResult }> => {
    const job = await find(scope, id);
    if (job.status !== "COMPLETED") throw new ResultNotReadyError(id, job.status);
    const found = await findResult(db.scoped(scope), id);
    if (!found) throw new ResultExpiredError(id);
    return { job, result: found };
  };

  return {
    /**
     * The result, with an address for its text when that is too large to stand in the answer.
     * @throws JobNotFoundError, ResultNotReadyError, ResultExpiredError
     */
    async result(
      caller: Caller,
      id: string,
    ): Promise<{ result: JobResult; download: { url: string; expireTime: Date } | null }> {
      const scope = scopeOf(caller, "results:read");
      const { job, result: found } = await result(scope, id);
      const content =
        found.extractedText === null ? await findResultContent(db.scoped(scope), id, "TEXT") : null;
      if (!content?.objectKey) return { result: found, download: null };
      const download = await store.signGet(content.objectKey, {
        expiresInSeconds: DOWNLOAD_SECONDS,
        filename: `${job.id}.txt`,
        mediaType: "text/plain; charset=utf-8",
      });
      return { result: found, download };
    },

    /**
     * The bytes of one format from `offset` on, in constant memory.
     * @throws JobNotFoundError, ResultNotReadyError, ResultExpiredError
     */
    async download(
      caller: Caller,
      id: string,
      format: ResultFormat,
      offset: number,
      signal: AbortSignal,
    ): Promise<{ content: ResultContent; body: AsyncIterable<Uint8Array> }> {
      const scope = scopeOf(caller, "results:read");
      await result(scope, id);
      const content = await findResultContent(db.scoped(scope), id, format);
      if (!content) throw new ResultExpiredError(id);
      if (content.objectKey === null) {
        return { content, body: slices(Buffer.from(content.content ?? "").subarray(offset)) };
      }
      if (offset >= content.sizeBytes) return { content, body: slices(Buffer.alloc(0)) };
      const object = await store.get(content.objectKey, { offset }, signal);
      return { content, body: object.body };
    },
  };
}

const SLICE_BYTES = 256 * 1024;

async function* slices(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) yield bytes.subarray(at, at + SLICE_BYTES);
}
