import { HeadObjectCommand } from "@aws-sdk/client-s3";
import { createS3Client, type S3Credentials } from "./client.ts";
import { statusOf } from "./errors.ts";
import type { S3Service } from "./place.ts";
import { readRange } from "./reader.ts";

/** What S3 stores as the type of an object when nobody has told one. */
const UNTOLD = "binary/octet-stream";

export interface SourceBody {
  readonly body: AsyncIterable<Uint8Array>;
  /** As whoever put it said; empty when nothing was said. */
  readonly mediaType: string;
}

/** Reads objects of others. `fault` makes the error of an answer's status; 0 when there was none, 404 for what is gone. */
export function createSourceReader(service: S3Service, credentials: S3Credentials) {
  const client = createS3Client(service, credentials);
  return async (
    target: { readonly Bucket: string; readonly Key: string },
    fault: (status: number) => Error,
    signal: AbortSignal,
  ): Promise<SourceBody> => {
    const told = (error: unknown): never => {
      throw fault(statusOf(error));
    };
    const found = await client
      .send(new HeadObjectCommand(target), { abortSignal: signal })
      .catch((error: unknown) => {
        signal.throwIfAborted();
        return told(error);
      });
    const { ContentLength: end = 0, ETag: etag = "", ContentType: mediaType = UNTOLD } = found;
    const reading = { gone: () => fault(404), told };
    return {
      body: readRange(client, { ...target, etag, start: 0, end }, reading, signal),
      mediaType: mediaType === UNTOLD ? "" : (mediaType.split(";")[0] ?? "").trim(),
    };
  };
}
