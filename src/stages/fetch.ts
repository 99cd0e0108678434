import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { z } from "zod";
import { DocumentFault, LimitFault } from "../extract/errors.ts";
import { durationOption, stageOptions } from "./options.ts";

/** Longest time a remote source may be given, in milliseconds. */
const MAX_TIMEOUT_MS = 24 * 3_600_000;

const Options = z.strictObject({
  /** Larger documents are refused; 0 = the server's limit, which also caps it. */
  max_bytes: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  /** How long a remote source may take, as `60s`. */
  timeout: durationOption({ mostMs: MAX_TIMEOUT_MS, most: "24 h", fallbackMs: 60_000 }),
});

/**
 * The stage that brings the source in. It has no `run`: bytes come from the database, the object store or
 * the network, which only the worker itself can reach; `receiveSource` puts them where document processes
 * find them.
 */
export const fetchStage = {
  type: "fetch",
  version: 1,
  description: "Brings the source in: inline, upload, https or s3.",
  ...stageOptions(Options),
} as const;

export interface ReceivedSource {
  sizeBytes: number;
  /** Of the bytes received, in hex. */
  sha256: string;
}

/**
 * Streams a source to a new file at `path` (mode 0600), holding one piece of it at a time. On any error the
 * source is told to stop and what was written is left for the caller to delete with its folder.
 * @param bySetting `maxBytes` is what the worker allows, not what the pipeline does
 * @throws DocumentFault DOCUMENT_TOO_LARGE above `maxBytes`, DOCUMENT_EMPTY for no bytes at all
 * @throws the signal's reason as soon as it fires, also when the source gives nothing and hears nothing
 */
export async function receiveSource(
  body: AsyncIterable<Uint8Array>,
  path: string,
  { maxBytes, bySetting = false, signal }: { maxBytes: number; bySetting?: boolean; signal?: AbortSignal },
): Promise<ReceivedSource> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const file = await open(path, "wx", 0o600);
  try {
    for await (const piece of signal ? untilAborted(body, signal) : body) {
      sizeBytes += piece.byteLength;
      if (sizeBytes > maxBytes) {
        const message = `The document is larger than the ${maxBytes} bytes that are allowed. Split it, or have the limit raised.`;
        throw bySetting
          ? new LimitFault("maxInputBytes", message, "DOCUMENT_TOO_LARGE")
          : new DocumentFault("DOCUMENT_TOO_LARGE", message);
      }
      hash.update(piece);
      await file.appendFile(piece);
    }
  } finally {
    await file.close();
  }
  if (sizeBytes === 0) throw new DocumentFault("DOCUMENT_EMPTY", "The document has no bytes. Send it again.");
  return { sizeBytes, sha256: hash.digest("hex") };
}

async function* untilAborted(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    while (true) {
      const { done, value } = await unlessAborted(() => iterator.next(), signal);
      if (done) return;
      yield value;
    }
  } finally {
    // Not waited for: a source that stands still answers to nothing.
    void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

/** One listener for each piece: a promise that outlives them would hold every piece that was raced against it. */
function unlessAborted<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    work()
      .finally(() => signal.removeEventListener("abort", abort))
      .then(resolve, reject);
  });
}
