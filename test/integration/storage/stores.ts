import { createObjectStore } from "../../../src/storage/create-store.ts";
import type { ObjectStore } from "../../../src/storage/object-store.ts";
import { S3_BUCKET, startS3 } from "../../support/s3.ts";
import { S3_CREDENTIALS } from "../../support/s3-credentials.ts";
import { startFileServer } from "./storage-harness.ts";

/** A store of its own for a test. */
export interface TestStore extends AsyncDisposable {
  readonly store: ObjectStore;
  readonly uriBase: string;
  /** Whatever lies in the store that is no finished object: drafts, parts. */
  halves(): readonly string[];
}

async function openFolder(): Promise<TestStore> {
  const h = await startFileServer();
  const halves = () => h.files({ drafts: true });
  return { ...h, uriBase: "sluice://objects", halves };
}

async function openBucket(): Promise<TestStore> {
  const s3 = await startS3();
  return { ...s3, store: storeAt(s3.url), uriBase: `s3://${S3_BUCKET}/a/prefix`, halves: s3.uploads };
}

/** The store at an address, as a server opens it. */
export function storeAt(
  url: string,
  changes: { now?: () => number; accessKeyId?: string } = {},
): ObjectStore {
  const { now = Date.now, accessKeyId = S3_CREDENTIALS.accessKeyId } = changes;
  const deps = { publicUrl: () => "", signingSecret: "a secret of the test", clock: { now } };
  return createObjectStore(url, { ...deps, s3Credentials: { ...S3_CREDENTIALS, accessKeyId } }).store;
}

/** Both kinds of stores, which promise the same. */
export const STORES: readonly [name: string, open: () => Promise<TestStore>][] = [
  ["a folder", openFolder],
  ["a bucket", openBucket],
];
