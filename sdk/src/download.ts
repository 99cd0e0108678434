import type { Methods } from "./calls.ts";
import { SluiceError } from "./errors.ts";
import { cancellable } from "./streams.ts";
import { backoffMs, type Timing } from "./timing.ts";
import { toSluiceError } from "./translate.ts";
import { type DownloadJobResultResponse_Metadata, type JobsService, ResultFormat } from "./types.ts";

/** The formats of a result. `chunks` is NDJSON. */
export type Format = "text" | "markdown" | "json" | "chunks";

/** Options of `jobs.download`. */
export interface DownloadOptions {
  /** Default `text`. */
  readonly format?: Format | undefined;
  /** Begin at this byte. */
  readonly offset?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told once, before the first byte. */
  readonly onMetadata?: ((metadata: DownloadJobResultResponse_Metadata) => void) | undefined;
}

/** A result on its way. Each loop over it is a download of its own. */
export interface Download extends AsyncIterable<Uint8Array> {
  /** All of it as a string. Fails with a RangeError beyond `maxBytes`, default 256 MiB. */
  text(options?: { readonly maxBytes?: number | undefined }): Promise<string>;
}

export interface DownloadDeps {
  readonly methods: Methods<typeof JobsService>;
  readonly timing: Timing;
}

const FORMATS: Readonly<Record<Format, ResultFormat>> = {
  text: ResultFormat.TEXT,
  markdown: ResultFormat.MARKDOWN,
  json: ResultFormat.JSON,
  chunks: ResultFormat.CHUNKS,
};
const MAX_FRUITLESS = 6;

/** The bytes of a result in order; goes on at the right byte when the connection breaks. Constant memory. */
export function download(deps: DownloadDeps, id: string, options: DownloadOptions = {}): Download {
  const bytes = cancellable(options.signal, (signal) => pull(deps, id, options, signal));
  return {
    [Symbol.asyncIterator]: () => bytes[Symbol.asyncIterator](),
    async text({ maxBytes = 256 * 1024 * 1024 } = {}) {
      const decoder = new TextDecoder();
      let text = "";
      let size = 0;
      for await (const chunk of bytes) {
        size += chunk.byteLength;
        if (size > maxBytes)
          throw new RangeError(`The result is larger than ${maxBytes} bytes; read it as a stream.`);
        text += decoder.decode(chunk, { stream: true });
      }
      return text + decoder.decode();
    },
  };
}

async function* pull(
  { methods, timing }: DownloadDeps,
  id: string,
  { format = "text", offset = 0, onMetadata }: DownloadOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = BigInt(offset);
  let whole: DownloadJobResultResponse_Metadata | undefined;
  for (let fruitless = 0; ; ) {
    let failure: SluiceError;
    try {
      for await (const { payload } of methods.downloadJobResult(
        { id, format: FORMATS[format], offset: at },
        { signal },
      )) {
        if (payload.case === "metadata") {
          if (!whole) onMetadata?.(payload.value);
          else if (whole.sha256 !== payload.value.sha256) throw changed(id);
          whole = payload.value;
        } else if (payload.case === "chunk" && payload.value.byteLength > 0) {
          at += BigInt(payload.value.byteLength);
          fruitless = 0;
          yield payload.value;
        }
      }
      if (whole && at >= whole.sizeBytes) return;
      failure = new SluiceError({
        code: "unavailable",
        reason: "CONNECTION_LOST",
        message: `The download of job ${id} ended before its last byte.`,
      });
    } catch (error) {
      failure = toSluiceError(error, signal);
      if (signal.aborted || failure.code !== "unavailable") throw failure;
      // Cut between the last byte and the end of the stream.
      if (whole && at === whole.sizeBytes) return;
    }
    if (++fruitless >= MAX_FRUITLESS) throw failure;
    await timing.sleep(failure.retryAfterMs ?? backoffMs(fruitless, 100, 5_000, timing.random), signal);
  }
}

function changed(id: string): SluiceError {
  return new SluiceError({
    code: "aborted",
    reason: "UNKNOWN",
    message: `The result of job ${id} changed during the download; start it again.`,
    metadata: { job_id: id },
  });
}
