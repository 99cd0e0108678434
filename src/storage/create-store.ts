import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { StorageUrlError } from "./errors.ts";
import { createFileStore, type FileStore, type FileStoreDeps } from "./file-store.ts";
import type { ObjectStore } from "./object-store.ts";
import type { S3Credentials } from "./s3/client.ts";
import { parseS3Place, type S3Place } from "./s3/place.ts";
import { createS3Store } from "./s3/store.ts";

export interface StoreDeps extends Omit<FileStoreDeps, "root"> {
  readonly s3Credentials: S3Credentials;
}

export interface OpenedStore {
  readonly store: ObjectStore;
  /** The same when its links lead to routes of this service; else null. */
  readonly files: FileStore | null;
}

/** Where a store keeps its objects. */
export type StorePlace = { readonly folder: string } | { readonly s3: S3Place };

/**
 * The store at `url`: a folder, as `file:///path` or an absolute path, or a bucket, as parseS3Place reads it. Nothing is
 * reached yet.
 * @throws StorageUrlError for anything else
 */
export function createObjectStore(url: string, { s3Credentials, ...deps }: StoreDeps): OpenedStore {
  const place = placeOfStore(url);
  if ("s3" in place) {
    const { clock } = deps;
    return { store: createS3Store({ place: place.s3, credentials: s3Credentials, clock }), files: null };
  }
  const files = createFileStore({ ...deps, root: place.folder });
  return { store: files, files };
}

/** @throws StorageUrlError as above */
export function placeOfStore(url: string): StorePlace {
  if (isAbsolute(url)) return { folder: url };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme === "s3") return { s3: parseS3Place(url, SETTING) };
  if (scheme !== "file") {
    throw new StorageUrlError(
      `${SETTING}: ${scheme ? `${scheme}:// is not known` : "is no address"}; use a folder, e.g. file:///var/lib/sluice/objects, or a bucket, e.g. s3://bucket/prefix`,
    );
  }
  return { folder: fileURLToPath(url) };
}

const SETTING = "SLUICE_STORAGE_URL";
