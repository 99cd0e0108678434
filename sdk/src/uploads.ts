import type { CallOptions, Methods } from "./calls.ts";
import { type SluiceCode, SluiceError } from "./errors.ts";
import { type Bytes, type DocumentInput, resolveSource, textAsBytes } from "./sources.ts";
import { toSluiceError } from "./translate.ts";
import type { Document, JobsService } from "./types.ts";

/** Options of an upload. */
export interface UploadOptions extends CallOptions {
  /** Hexadecimal SHA-256; other bytes are refused. */
  readonly sha256?: string | undefined;
  /** Told after each chunk that the connection has taken. `totalBytes` is undefined if nobody knows it. */
  readonly onProgress?: ((progress: UploadProgress) => void) | undefined;
}

export interface UploadProgress {
  readonly sentBytes: number;
  readonly totalBytes: number | undefined;
}

export interface UploadDeps {
  readonly methods: Methods<typeof JobsService>;
  /** False where a request cannot be a stream, as in browsers: then it is a PUT. */
  readonly canStream: boolean;
  readonly fetch: typeof fetch;
  readonly url: string;
  readonly openPath: (path: string) => Promise<Bytes>;
}

export type Uploads = ReturnType<typeof createUploads>;

const CHUNK_BYTES = 256 * 1024;

/** Stores documents; in Node in constant memory, whatever their size. */
export function createUploads(deps: UploadDeps) {
  const uploadBytes = (bytes: Bytes, options: UploadOptions = {}): Promise<Document> =>
    deps.canStream ? uploadByStream(deps, bytes, options) : uploadByPut(deps, bytes, options);
  return {
    uploadBytes,
    /**
     * Stores a document for use in jobs. An upload is not repeated by itself: its bytes may be gone.
     * @throws TypeError for a `documentId` or `uri`: their bytes are not here
     */
    async upload(input: DocumentInput, options: UploadOptions = {}): Promise<Document> {
      const source = await resolveSource(input, deps.openPath);
      if (source.kind === "bytes") return await uploadBytes(source.bytes, options);
      if (source.kind === "text")
        return await uploadBytes(textAsBytes(source.text, source.filename), options);
      throw new TypeError("Only bytes can be uploaded; give documentId and uri to a job.");
    },
    /** Reads what is known about a document. */
    async get(id: string, options: CallOptions = {}): Promise<Document> {
      const { document } = await deps.methods.getDocument({ id }, options);
      return present(document, "GetDocument");
    },
  };
}

/** An answer's message, which the contract promises. */
export function present<T>(value: T | undefined, call: string): T {
  if (value !== undefined) return value;
  throw new SluiceError({ code: "internal", reason: "UNKNOWN", message: `The answer of ${call} is empty.` });
}

async function uploadByStream(
  { methods }: UploadDeps,
  bytes: Bytes,
  options: UploadOptions,
): Promise<Document> {
  const { filename, mediaType, sizeBytes } = bytes;
  let fault: unknown;
  // A refusal of the server is thrown into the generator below; what this one catches is the source's own.
  async function* pieces() {
    try {
      yield* bytes.open();
    } catch (error) {
      fault = error;
      throw error;
    }
  }
  async function* messages() {
    const size = BigInt(sizeBytes ?? 0);
    const header = { filename, mediaType, sizeBytes: size, sha256: options.sha256 ?? "" };
    yield { payload: { case: "header" as const, value: header } };
    let sentBytes = 0;
    for await (const piece of pieces()) {
      for (let at = 0; at < piece.byteLength; at += CHUNK_BYTES) {
        const value = piece.subarray(at, at + CHUNK_BYTES);
        yield { payload: { case: "chunk" as const, value } };
        sentBytes += value.byteLength;
        options.onProgress?.({ sentBytes, totalBytes: sizeBytes });
      }
    }
  }
  try {
    const { document } = await methods.uploadDocument(messages(), options);
    return present(document, "UploadDocument");
  } catch (error) {
    // What broke is the caller's source, not the call.
    if (fault !== undefined && !options.signal?.aborted) throw fault;
    throw error;
  }
}

async function uploadByPut(deps: UploadDeps, bytes: Bytes, options: UploadOptions): Promise<Document> {
  const { filename, mediaType } = bytes;
  const blob = bytes.blob ?? (await collect(bytes));
  const request = { filename, mediaType, sizeBytes: BigInt(blob.size), sha256: options.sha256 ?? "" };
  const { documentId, uploadUrl, headers } = await deps.methods.createUpload(request, options);
  let response: Response;
  try {
    response = await deps.fetch(new URL(uploadUrl, deps.url), {
      method: "PUT",
      body: blob,
      headers,
      credentials: "omit",
      ...(options.signal && { signal: options.signal }),
    });
  } catch (error) {
    throw toSluiceError(error, options.signal);
  }
  if (!response.ok) throw await refusal(response);
  options.onProgress?.({ sentBytes: blob.size, totalBytes: blob.size });
  const { document } = await deps.methods.getDocument({ id: documentId }, options);
  return present(document, "GetDocument");
}

async function collect(bytes: Bytes): Promise<Blob> {
  const parts: BlobPart[] = [];
  for await (const part of bytes.open()) parts.push(part as Uint8Array<ArrayBuffer>);
  return new Blob(parts);
}

async function refusal(response: Response): Promise<SluiceError> {
  const code: SluiceCode = response.status >= 500 ? "unavailable" : "invalid_argument";
  const said = (await response.text().catch(() => "")).slice(0, 500);
  return new SluiceError({
    code,
    reason: "UPLOAD_FAILED",
    message: `The upload was refused with HTTP ${response.status}${said ? `: ${said}` : "."}`,
    metadata: { status: String(response.status) },
  });
}
