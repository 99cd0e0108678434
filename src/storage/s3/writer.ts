import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { AbortMultipartUploadCommand, ListMultipartUploadsCommand, type S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { ObjectTooLargeError } from "../errors.ts";
import type { PutOptions, StoredObject } from "../object-store.ts";

/** Of 10,000 parts at the most, so that 78 GiB fit. */
const PART_BYTES = 8 * 1024 * 1024;
/** Parts under way at once; each stands in memory. */
const PARTS_AT_ONCE = 2;

/**
 * Streams bytes into an object, which appears when all of them are there. When they do not come to their end, the parts
 * that were sent are removed.
 * @param told makes an error of what the SDK throws
 * @throws ObjectTooLargeError, what `body` throws, what `told` makes
 */
export async function putStream(
  client: S3Client,
  target: { readonly Bucket: string; readonly Key: string },
  body: AsyncIterable<Uint8Array>,
  { maxBytes = Number.POSITIVE_INFINITY, mediaType }: PutOptions,
  told: (error: unknown) => never,
): Promise<StoredObject> {
  const hash = createHash("sha256");
  let size = 0;
  let broken: { readonly error: unknown } | undefined;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body) {
        size += chunk.byteLength;
        if (size > maxBytes) throw new ObjectTooLargeError(maxBytes);
        hash.update(chunk);
        yield chunk;
      }
    } catch (error) {
      broken = { error };
      throw error;
    }
  };
  const upload = new Upload({
    client,
    params: { ...target, Body: Readable.from(counted()), ...(mediaType ? { ContentType: mediaType } : {}) },
    partSize: PART_BYTES,
    queueSize: PARTS_AT_ONCE,
  });
  try {
    await upload.done();
  } catch (error) {
    // What the removal of its parts says would else stand in its place.
    if (broken) throw broken.error;
    told(error);
  }
  return { size, sha256: hash.digest("hex") };
}

/** Aborts uploads that died with their process, a thousand at the most: they show nowhere, and cost space. */
export async function abortOldUploads(
  client: S3Client,
  { Bucket, Prefix }: { Bucket: string; Prefix: string },
  before: Date,
): Promise<void> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix }));
  for (const { Key, UploadId, Initiated } of Uploads) {
    if (!Initiated || Initiated >= before) continue;
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
  }
}
