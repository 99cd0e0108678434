import type { Clock } from "../../lib/clock.ts";
import { messageOf, SluiceError } from "../../lib/errors.ts";
import { attachment } from "../content-disposition.ts";
import { ObjectKeyError, ObjectNotFoundError, ObjectRangeError, StorageUnavailableError } from "../errors.ts";
import { isObjectKey } from "../keys.ts";
import { headerType, linkTime } from "../link-terms.ts";
import type { ObjectStore } from "../object-store.ts";
import { probe } from "../probe.ts";
import type { Bucket } from "./bucket.ts";
import type { S3Credentials } from "./client.ts";
import type { S3Place } from "./place.ts";

export interface S3StoreDeps {
  /** A bucket, or a prefix in it, for the objects alone; may be shared by several servers. */
  readonly place: S3Place;
  readonly credentials: S3Credentials;
  readonly clock: Clock;
}

const OLD_UPLOAD_MS = 24 * 3_600_000;

/** The object store in a bucket; see ObjectStore for what it promises. Signed links lead to the bucket itself. */
export function createS3Store({ place, credentials, clock }: S3StoreDeps): ObjectStore {
  const base = place.prefix === "" ? "" : `${place.prefix}/`;
  const nameOf = (key: string): string => {
    if (!isObjectKey(key)) throw new ObjectKeyError(key);
    return base + key;
  };

  let opening: Promise<Bucket> | undefined;
  /** The SDK takes a quarter of a second to load; those who store in a folder are spared it. */
  const opened = async (): Promise<Bucket> => {
    opening ??= import("./bucket.ts").then(({ openBucket }) => openBucket(place, credentials));
    return await opening;
  };

  let tidied: Promise<void> | undefined;
  const tidy = async (bucket: Bucket): Promise<void> => {
    const before = new Date(clock.now() - OLD_UPLOAD_MS);
    // Not all servers list uploads, nor all credentials may; a rule of the bucket can do it as well.
    tidied ??= bucket.abortOldUploads(base, before).catch(() => {});
    await tidied;
  };

  const store: ObjectStore = {
    async put(key, body, options = {}) {
      const name = nameOf(key);
      const bucket = await opened();
      await tidy(bucket);
      return await bucket.put(name, body instanceof Uint8Array ? whole(body) : body, options);
    },
    async get(key, range = {}, signal) {
      const name = nameOf(key);
      const bucket = await opened();
      const found = await bucket.head(name);
      if (!found) throw new ObjectNotFoundError(key);
      const { offset = 0, length = Number.POSITIVE_INFINITY } = range;
      if (!(offset >= 0 && offset <= found.size && length >= 0))
        throw new ObjectRangeError(key, offset, found.size);
      const part = { etag: found.etag, start: offset, end: Math.min(found.size, offset + length) };
      const gone = (): Error => new ObjectNotFoundError(key);
      return { size: found.size, body: bucket.read(name, part, gone, signal) };
    },
    async head(key) {
      const found = await (await opened()).head(nameOf(key));
      return found && { size: found.size };
    },
    async *list(folder) {
      const prefix = `${nameOf(folder)}/`;
      for await (const { name, size, modified } of (await opened()).list(prefix)) {
        const key = name.slice(base.length);
        if (isObjectKey(key)) yield { key, size, modified };
      }
    },
    async delete(key) {
      await (await opened()).delete(nameOf(key));
    },
    async signGet(key, { expiresInSeconds, filename, mediaType }) {
      const { from, expireTime } = linkTime(clock.now(), expiresInSeconds);
      const answer = {
        disposition: attachment(filename ?? null),
        mediaType: headerType(mediaType) ?? "application/octet-stream",
      };
      const time = { from, seconds: expiresInSeconds };
      return { url: await (await opened()).linkToGet(nameOf(key), time, answer), expireTime };
    },
    async signPut(key, { expiresInSeconds, sizeBytes, mediaType }) {
      const { from, expireTime } = linkTime(clock.now(), expiresInSeconds);
      const time = { from, seconds: expiresInSeconds };
      const url = await (await opened()).linkToPut(nameOf(key), time, sizeBytes ?? null);
      const type = headerType(mediaType);
      return { url, headers: type ? { "content-type": type } : {}, expireTime };
    },
    async check() {
      try {
        await probe(store);
      } catch (error) {
        if (error instanceof SluiceError) throw error;
        throw new StorageUnavailableError(`s3://${place.bucket}`, messageOf(error), error);
      }
    },
    uriOf: (key) => `s3://${place.bucket}/${nameOf(key)}`,
  };
  return store;
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
