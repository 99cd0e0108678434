import { rm } from "node:fs/promises";
import { DocumentFault } from "../extract/errors.ts";
import type { RemoteDocuments } from "../jobs/documents/remote.ts";
import type { DocumentsService } from "../jobs/documents/service.ts";
import { SluiceError } from "../lib/errors.ts";
import { receiveSource } from "../stages/fetch.ts";
import { StageFailure, type WorkingDocument } from "../stages/stage.ts";

export interface SourceReceiverDeps {
  readonly documents: DocumentsService;
  readonly remote: RemoteDocuments;
  /** Reads and writes of the database that outlive a short outage of it. */
  readonly persist: <T>(work: () => Promise<T>) => Promise<T>;
  readonly documentId: string;
  /** Where the bytes are put. */
  readonly path: string;
  /** Of this attempt alone: where a fetched document goes that is too large for a row. */
  readonly objectKey: string;
}

export interface SourceLimits {
  readonly maxBytes: number;
  /** That is what this worker allows, and the pipeline would take more. */
  readonly bySetting: boolean;
  /** How long a remote source may take. */
  readonly timeoutMs: number;
  /** Ends it at any moment. */
  readonly signal: AbortSignal;
}

/**
 * Brings the bytes of a job's document to this machine. One that is named by an address is fetched by the first attempt
 * that comes so far, and kept for all others.
 * @throws DocumentFault, StageFailure
 */
export function createSourceReceiver(deps: SourceReceiverDeps) {
  const { documents, remote, persist, documentId, path, objectKey } = deps;

  const fetchRemote = async ({ timeoutMs, signal, ...size }: SourceLimits) => {
    const timeout = AbortSignal.timeout(timeoutMs);
    const either = AbortSignal.any([signal, timeout]);
    try {
      const { body, mediaType } = await remote.fetch(documentId, either);
      return { ...(await receiveSource(body, path, { ...size, signal: either })), mediaType };
    } catch (error) {
      throw failureOf(error, signal, timeout, timeoutMs);
    }
  };

  return async (limits: SourceLimits): Promise<WorkingDocument["source"]> => {
    // A second fetch brings the source anew.
    await rm(path, { force: true });
    const document = await persist(() => documents.find(documentId));
    if (document.source === "URI" && document.sha256 === null) {
      const received = await fetchRemote(limits);
      if (await persist(() => remote.keep(documentId, { path, ...received }, objectKey))) {
        const { sizeBytes, sha256, mediaType } = received;
        return { filename: document.filename, declaredMediaType: mediaType, sizeBytes, sha256 };
      }
      await rm(path, { force: true });
    }
    const { body, document: kept } = await persist(() => documents.open(documentId, limits.signal));
    const received = await receiveSource(body, path, limits);
    return { filename: kept.filename, declaredMediaType: kept.mediaType, ...received };
  };
}

/** What a failed fetch means for the stage; an order to stop stays one. */
function failureOf(error: unknown, stop: AbortSignal, timeout: AbortSignal, timeoutMs: number): unknown {
  if (stop.aborted) return stop.reason;
  if (error instanceof DocumentFault) return error;
  if (timeout.aborted) {
    const message = `The source did not send the whole document within ${Math.round(timeoutMs / 1000)} seconds. Give the fetch stage a longer timeout.`;
    return new StageFailure("SOURCE_UNREACHABLE", message, true);
  }
  if (error instanceof SluiceError)
    return new StageFailure(error.reason, error.message, error.kind === "unavailable");
  return error;
}
