/** A document: its bytes in any shape, a text, a file's path (Node), an uploaded document or an address. */
export type DocumentInput =
  | Blob
  | Uint8Array
  | ArrayBuffer
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | ({ readonly text: string } & DocumentName)
  | ({ readonly path: string } & DocumentName)
  | ({ readonly data: ByteSource; readonly sizeBytes?: number | undefined } & DocumentName)
  | { readonly documentId: string }
  | ({ readonly uri: string } & Pick<DocumentName, "filename">);

/** Bytes, at once or bit by bit. */
export type ByteSource =
  | Blob
  | Uint8Array
  | ArrayBuffer
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

/** Hints about a document; what its content shows counts. */
export interface DocumentName {
  readonly filename?: string | undefined;
  readonly mediaType?: string | undefined;
}

/** Bytes that can be opened. `sizeBytes` is undefined if only reading tells it. */
export interface Bytes {
  readonly filename: string;
  readonly mediaType: string;
  readonly sizeBytes: number | undefined;
  open(): AsyncIterable<Uint8Array>;
  /** The same as one object where the platform has it that way; a browser PUTs it without copying. */
  readonly blob?: Blob | undefined;
}

/** What a request can hold: a text, bytes, or a pointer to bytes that are elsewhere. */
export type Source =
  | { readonly kind: "text"; readonly text: string; readonly filename: string }
  | { readonly kind: "bytes"; readonly bytes: Bytes }
  | { readonly kind: "document"; readonly documentId: string }
  | { readonly kind: "uri"; readonly uri: string; readonly filename: string };

/** @throws TypeError if the value is none of the kinds of `DocumentInput` */
export async function resolveSource(
  input: DocumentInput,
  openPath: (path: string) => Promise<Bytes>,
): Promise<Source> {
  if (isByteSource(input)) return { kind: "bytes", bytes: bytesOf(input, {}) };
  if ("text" in input) return textSource(input);
  if ("documentId" in input) return { kind: "document", documentId: input.documentId };
  if ("uri" in input) return { kind: "uri", uri: input.uri, filename: input.filename ?? "" };
  if ("data" in input) return { kind: "bytes", bytes: bytesOf(input.data, input) };
  if ("path" in input) return { kind: "bytes", bytes: named(await openPath(input.path), input) };
  throw new TypeError(
    "A document is bytes, a Blob, a stream, or one of {text}, {path}, {data}, {documentId}, {uri}.",
  );
}

/** A text longer than `limit` bytes travels as bytes. */
export function textAsBytes(text: string, filename: string): Bytes {
  return bytesOf(new TextEncoder().encode(text), {
    filename: filename || "text.txt",
    mediaType: "text/plain; charset=utf-8",
  });
}

function textSource(input: { text: string } & DocumentName): Source {
  if (!input.mediaType) return { kind: "text", text: input.text, filename: input.filename ?? "" };
  return { kind: "bytes", bytes: bytesOf(new TextEncoder().encode(input.text), input) };
}

function isByteSource(input: DocumentInput): input is ByteSource {
  return (
    input instanceof Blob ||
    input instanceof Uint8Array ||
    input instanceof ArrayBuffer ||
    input instanceof ReadableStream ||
    Symbol.asyncIterator in input
  );
}

function named(bytes: Bytes, name: DocumentName): Bytes {
  return {
    ...bytes,
    filename: name.filename ?? bytes.filename,
    mediaType: name.mediaType ?? bytes.mediaType,
  };
}

function bytesOf(data: ByteSource, name: DocumentName & { sizeBytes?: number | undefined }): Bytes {
  const shape = (rest: Omit<Bytes, "filename" | "mediaType">, hints: DocumentName = {}): Bytes => ({
    filename: name.filename ?? hints.filename ?? "",
    mediaType: name.mediaType ?? hints.mediaType ?? "",
    ...rest,
  });
  if (data instanceof Blob) {
    const hints = { filename: data instanceof File ? data.name : "", mediaType: data.type };
    return shape({ sizeBytes: data.size, open: () => readAll(data.stream()), blob: data }, hints);
  }
  if (data instanceof ArrayBuffer) return bytesOf(new Uint8Array(data), name);
  if (data instanceof Uint8Array) return shape({ sizeBytes: data.byteLength, open: () => once(data) });
  const open = () => (data instanceof ReadableStream ? readAll(data) : data);
  return shape({ sizeBytes: name.sizeBytes, open });
}

async function* once(data: Uint8Array): AsyncIterable<Uint8Array> {
  yield data;
}

/** Not every browser's ReadableStream is an async iterable. */
async function* readAll(stream: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
