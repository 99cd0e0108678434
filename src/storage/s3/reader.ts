import { GetObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { AnswerError, statusOf } from "./errors.ts";

/** Answers in a row that break off without a single byte. */
const MAX_FRUITLESS = 3;

export interface ReadTarget {
  readonly Bucket: string;
  readonly Key: string;
  /** The version that is wanted. */
  readonly etag: string;
  readonly start: number;
  /** Behind the last byte. */
  readonly end: number;
}

/**
 * The bytes [start, end) of one version of an object. Nothing is asked for before the first is read, and a connection
 * is held only meanwhile; one that breaks off is followed by another that goes on where it ended.
 * @param told makes an error of what the SDK throws
 * @throws what `gone` makes when the version is not there any more, what `told` makes, the reason of `signal`
 */
export async function* readRange(
  client: S3Client,
  { Bucket, Key, etag, start, end }: ReadTarget,
  { gone, told }: { readonly gone: () => Error; readonly told: (error: unknown) => never },
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted();
  let position = start;

  const ask = async (): Promise<AsyncIterable<Uint8Array>> => {
    const wanted = { Bucket, Key, IfMatch: etag, Range: `bytes=${position}-${end - 1}` };
    const answer = await client.send(new GetObjectCommand(wanted), signal ? { abortSignal: signal } : {});
    const body = answer.Body as AsyncIterable<Uint8Array> & { destroy(): void };
    // Not every server heeds If-Match and Range.
    const isSame = answer.ETag === etag;
    if (isSame && answer.ContentLength === end - position) return body;
    body.destroy();
    throw isSame ? new AnswerError("it does not serve ranges of bytes") : gone();
  };

  for (let fruitless = 0; position < end; ) {
    const body = await ask().catch((error: unknown) => {
      signal?.throwIfAborted();
      if ([404, 412, 416].includes(statusOf(error))) throw gone();
      return told(error);
    });
    try {
      for await (const chunk of body) {
        position += chunk.byteLength;
        fruitless = 0;
        yield chunk;
      }
      fruitless++;
    } catch (error) {
      signal?.throwIfAborted();
      if (++fruitless > MAX_FRUITLESS) told(error);
    }
    if (fruitless > MAX_FRUITLESS) told(new AnswerError("its answers break off"));
  }
}
