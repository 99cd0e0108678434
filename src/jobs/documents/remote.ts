import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Database } from "../../db/sql.ts";
import type { Egress } from "../../egress/egress.ts";
import { mayPass } from "../../egress/passing.ts";
import { InvalidRequestError } from "../../lib/errors.ts";
import type { SecretBox } from "../../lib/secret-box.ts";
import type { ObjectStore } from "../../storage/object-store.ts";
import type { S3Sources } from "../../storage/s3/sources.ts";
import { SourceNotAllowedError, SourceRefusedError, SourceUnavailableError } from "../errors.ts";
import { findSealedUri, keepBytes } from "./body-queries.ts";
import { findLostObject } from "./lost-objects.ts";
import { INLINE_DOCUMENT_BYTES } from "./model.ts";
import type { NewDocument } from "./queries.ts";

export interface RemoteDocumentsDeps {
  readonly db: Database;
  readonly store: ObjectStore;
  readonly egress: Egress;
  /** Not by the egress: where these buckets are, whoever runs the service has said, and no caller. */
  readonly buckets: S3Sources;
  /** Addresses may carry credentials, as presigned ones do. */
  readonly uris: SecretBox;
  readonly newId: () => string;
}

/** What a remote source sends. */
export interface RemoteBody {
  readonly body: AsyncIterable<Uint8Array>;
  /** As it says; empty when it says nothing. */
  readonly mediaType: string;
}

export type RemoteDocuments = ReturnType<typeof createRemoteDocuments>;

/** Redirects of a source that are followed. */
const MAX_REDIRECTS = 3;
const MAX_FILENAME = 255;

/** Documents that are named by an address: a worker fetches them once, and keeps what came. */
export function createRemoteDocuments({ db, store, egress, buckets, uris, newId }: RemoteDocumentsDeps) {
  return {
    /**
     * A document to be inserted with its job; nothing is fetched yet.
     * @throws InvalidRequestError, EgressDeniedError, SourceNotAllowedError for an address that no call could reach
     */
    prepare(ownerId: string, { uri, filename }: { uri: string; filename: string }): NewDocument {
      if (!URL.canParse(uri))
        throw new InvalidRequestError([{ field: "source.uri", description: "must be an address" }]);
      if (!isInBucket(uri)) egress.check(uri);
      else if (!buckets.allows(uri)) throw new SourceNotAllowedError(withoutSecrets(uri));
      const id = newId();
      return {
        id,
        ownerId,
        filename: filename || nameIn(uri),
        mediaType: "",
        sizeBytes: 0,
        sha256: null,
        source: "URI",
        retentionMs: null,
        body: { uri: withoutSecrets(uri), sealedUri: uris.seal(uri, id) },
      };
    },

    /**
     * Asks the source of a document for its bytes. `signal` ends it at any moment, also while the body is read.
     * @throws InvalidRequestError, EgressDeniedError, EgressFailedError, SourceNotAllowedError, SourceRefusedError, SourceUnavailableError
     */
    async fetch(id: string, signal: AbortSignal): Promise<RemoteBody> {
      const sealed = await findSealedUri(db.sql, id);
      if (!sealed) throw new Error(`document ${id} has no address`);
      const uri = uris.open(sealed, id).toString();
      const fault = (status: number): Error => {
        const passing = status === 0 || mayPass(status);
        return new (passing ? SourceUnavailableError : SourceRefusedError)(withoutSecrets(uri), status);
      };
      if (isInBucket(uri)) {
        // The list may have become shorter since the job was made.
        if (!buckets.allows(uri)) throw new SourceNotAllowedError(withoutSecrets(uri));
        return await buckets.open(uri, fault, signal);
      }
      const answer = await egress.call({ url: uri, maxRedirects: MAX_REDIRECTS, signal });
      if (answer.status === 200) {
        const type = answer.headers["content-type"];
        return {
          body: answer.body,
          mediaType: typeof type === "string" ? (type.split(";")[0] ?? "").trim() : "",
        };
      }
      answer.body.destroy();
      throw fault(answer.status);
    },

    /**
     * Keeps what was fetched, so that no later attempt sees other bytes. False when another attempt has kept others
     * before: these then are the document.
     * @param key for the object that holds what is too large for a row; of this attempt alone
     */
    async keep(
      id: string,
      fetched: { path: string; sizeBytes: number; sha256: string; mediaType: string },
      key: string,
    ): Promise<boolean> {
      const { path, ...facts } = fetched;
      if (facts.sizeBytes <= INLINE_DOCUMENT_BYTES) {
        const content = await readFile(path);
        const inRow = { ...facts, content, objectKey: null, lostKey: null };
        const kept = await db.begin((tx) => keepBytes(tx, id, inRow));
        return kept?.sha256 === facts.sha256;
      }
      await store.put(key, createReadStream(path));
      const { sha256, sizeBytes: size } = facts;
      const lostKey = await findLostObject({ sql: db.sql, store }, { sha256, size });
      const inStore = { ...facts, content: null, objectKey: key, lostKey };
      const kept = await db.begin((tx) => keepBytes(tx, id, inStore));
      // Of an attempt before this one, or of another document with the same bytes.
      if (kept?.objectKey !== key) await store.delete(key);
      return kept?.sha256 === facts.sha256;
    },
  };
}

/** The last part of the path, as a hint of a name. */
function nameIn(uri: string): string {
  const last = new URL(uri).pathname.split("/").at(-1) ?? "";
  try {
    return decodeURIComponent(last).slice(0, MAX_FILENAME).replaceAll("\0", "");
  } catch {
    return last.slice(0, MAX_FILENAME);
  }
}

/** Without query and fragment, where credentials stand. */
function withoutSecrets(uri: string): string {
  const { protocol, host, pathname } = new URL(uri);
  return `${protocol}//${host}${pathname}`;
}

function isInBucket(uri: string): boolean {
  return /^s3:/i.test(uri);
}
