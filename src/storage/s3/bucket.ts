import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { PutOptions, StoredObject } from "../object-store.ts";
import { createS3Client, type S3Credentials } from "./client.ts";
import { isMissing, unavailable } from "./errors.ts";
import type { S3Place } from "./place.ts";
import { readRange } from "./reader.ts";
import { abortOldUploads, putStream } from "./writer.ts";

/** One entry of a bucket's list. */
export interface BucketEntry {
  readonly name: string;
  readonly size: number;
  readonly modified: Date;
}

/** What is known of an object before it is read. */
export interface BucketObject {
  readonly size: number;
  /** Changes whenever the content does. */
  readonly etag: string;
  /** As whoever put it said; empty when nothing was said. */
  readonly mediaType: string;
}

/** What a signed link is valid for. */
export interface LinkTime {
  readonly from: Date;
  readonly seconds: number;
}

/**
 * A bucket with the names of its objects as they are. What it cannot do is told as StorageUnavailableError; `read`
 * tells an object that is gone or another one by now as `gone` makes it.
 */
export interface Bucket {
  put(name: string, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<StoredObject>;
  /** Null when nothing lies under the name. */
  head(name: string): Promise<BucketObject | null>;
  read(
    name: string,
    part: { readonly etag: string; readonly start: number; readonly end: number },
    gone: () => Error,
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array>;
  list(prefix: string): AsyncIterable<BucketEntry>;
  delete(name: string): Promise<void>;
  linkToGet(
    name: string,
    time: LinkTime,
    answer: { disposition: string; mediaType: string },
  ): Promise<string>;
  /** @param size the only length that is taken; null for any */
  linkToPut(name: string, time: LinkTime, size: number | null): Promise<string>;
  abortOldUploads(prefix: string, before: Date): Promise<void>;
}

export function openBucket(place: S3Place, credentials: S3Credentials): Bucket {
  const client = createS3Client(place, credentials);
  const signing =
    place.publicEndpoint === null ? client : createS3Client(place, credentials, place.publicEndpoint);
  const target = (name: string) => ({ Bucket: place.bucket, Key: name });
  const guarded = async <T>(work: Promise<T>): Promise<T> => await work.catch(told);
  const told = (error: unknown): never => {
    throw unavailable(place, error);
  };
  const valid = ({ from, seconds }: LinkTime) => ({ expiresIn: seconds, signingDate: from });

  return {
    put: (name, body, options) => putStream(client, target(name), body, options, told),
    async head(name) {
      try {
        const answer = await client.send(new HeadObjectCommand(target(name)));
        const { ContentLength: size = 0, ETag: etag = "", ContentType: mediaType = "" } = answer;
        return { size, etag, mediaType };
      } catch (error) {
        return isMissing(error) ? null : told(error);
      }
    },
    async *read(name, part, gone, signal) {
      yield* readRange(client, { ...target(name), ...part }, { gone, told }, signal);
    },
    async *list(prefix) {
      try {
        const pages = paginateListObjectsV2({ client }, { Bucket: place.bucket, Prefix: prefix });
        for await (const { Contents = [] } of pages) {
          for (const { Key: name = "", Size: size = 0, LastModified: modified = new Date(0) } of Contents)
            yield { name, size, modified };
        }
      } catch (error) {
        told(error);
      }
    },
    delete: async (name) => void (await guarded(client.send(new DeleteObjectCommand(target(name))))),
    linkToGet: (name, time, { disposition, mediaType }) =>
      guarded(
        getSignedUrl(
          signing,
          new GetObjectCommand({
            ...target(name),
            ResponseContentDisposition: disposition,
            ResponseContentType: mediaType,
          }),
          valid(time),
        ),
      ),
    linkToPut: (name, time, size) =>
      guarded(
        getSignedUrl(
          signing,
          new PutObjectCommand({ ...target(name), ...(size === null ? {} : { ContentLength: size }) }),
          valid(time),
        ),
      ),
    abortOldUploads: (prefix, before) =>
      guarded(abortOldUploads(client, { Bucket: place.bucket, Prefix: prefix }, before)),
  };
}
