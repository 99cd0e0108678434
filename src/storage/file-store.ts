import { stat, unlink } from "node:fs/promises";
import { resolve } from "node:path";
import type { Clock } from "../lib/clock.ts";
import { messageOf, SluiceError } from "../lib/errors.ts";
import { ObjectNotFoundError, ObjectRangeError, StorageUnavailableError } from "./errors.ts";
import { listFiles } from "./file-list.ts";
import { readFileRange } from "./file-reader.ts";
import { createFileWriter } from "./file-writer.ts";
import { fileOfKey, isObjectKey } from "./keys.ts";
import { headerType, linkTime } from "./link-terms.ts";
import type { ObjectStore } from "./object-store.ts";
import { probe } from "./probe.ts";
import { createLinkSigner, type Link } from "./signed-links.ts";

export interface FileStoreDeps {
  /** A folder for the objects alone; may be shared by several servers. Created when missing. */
  readonly root: string;
  /** Where `/files/…` of this service is reached, e.g. `https://sluice.example.org`. */
  readonly publicUrl: () => string;
  /** At least 16 bytes, the same on every server. */
  readonly signingSecret: string | Uint8Array;
  readonly clock: Clock;
}

/** The object store of one folder, and what the routes that serve its links need besides. */
export interface FileStore extends ObjectStore {
  /** Like `head`, with a strong validator that changes whenever the content does. */
  describe(key: string): Promise<{ size: number; etag: string; modified: Date } | null>;
  /** What a link allows. @throws LinkRefusedError when altered or expired */
  verifyLink(method: "GET" | "PUT", key: string, query: URLSearchParams): Link;
}

/** The object store in a folder: durable, atomic, streaming; see ObjectStore for what it promises. */
export function createFileStore(deps: FileStoreDeps): FileStore {
  const root = resolve(deps.root);
  if (Buffer.byteLength(deps.signingSecret) < 16)
    throw new RangeError("signingSecret must have at least 16 bytes");
  const objects = resolve(root, "objects");
  const writer = createFileWriter({ objects, drafts: resolve(root, "tmp"), clock: deps.clock });
  const signer = createLinkSigner(deps.signingSecret, deps.clock);
  // Read at each use: a server on port 0 knows its address only once it listens.
  const base = () => `${deps.publicUrl().replace(/\/+$/, "")}/files/`;

  const named = (error: unknown): unknown => {
    const code = (error as NodeJS.ErrnoException).code;
    if (error instanceof SluiceError || code === undefined || !BROKEN.has(code)) return error;
    return new StorageUnavailableError(root, messageOf(error), error);
  };
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw named(error);
    }
  };
  const describe: FileStore["describe"] = async (key) => {
    const file = await stat(fileOfKey(objects, key), { bigint: true }).catch(absent);
    if (!file?.isFile()) return null;
    const etag = `"${file.size.toString(36)}-${file.mtimeNs.toString(36)}-${file.ino.toString(36)}"`;
    return { size: Number(file.size), etag, modified: new Date(Number(file.mtimeMs)) };
  };
  const link = (
    key: string,
    seconds: number,
    rest: Pick<Link, "method" | "filename" | "mediaType" | "maxBytes">,
  ) => {
    // An invalid key makes no link.
    fileOfKey(objects, key);
    const { expireTime } = linkTime(deps.clock.now(), seconds);
    const query = signer.sign({ ...rest, key, expires: expireTime.getTime() / 1_000 });
    return { url: `${base()}${key}?${query}`, expireTime };
  };

  const store: FileStore = {
    describe,
    put: (key, body, options = {}) =>
      guarded(() => writer.write(fileOfKey(objects, key), body, options.maxBytes)),
    async get(key, range = {}, signal) {
      const found = await guarded(() => describe(key));
      if (!found) throw new ObjectNotFoundError(key);
      const { offset = 0, length = Number.POSITIVE_INFINITY } = range;
      if (!(offset >= 0 && offset <= found.size && length >= 0))
        throw new ObjectRangeError(key, offset, found.size);
      const end = Math.min(found.size, offset + length);
      const gone = (): Error => new ObjectNotFoundError(key);
      return {
        size: found.size,
        body: readFileRange(fileOfKey(objects, key), { start: offset, end, size: found.size }, gone, signal),
      };
    },
    async head(key) {
      const found = await guarded(() => describe(key));
      return found && { size: found.size };
    },
    async *list(folder) {
      try {
        yield* listFiles(objects, folder);
      } catch (error) {
        throw named(error);
      }
    },
    delete: (key) =>
      guarded(async () => {
        const file = fileOfKey(objects, key);
        await unlink(file).catch(absent);
        await writer.pruneAbove(file);
      }),
    async signGet(key, { expiresInSeconds, filename, mediaType }) {
      const type = headerType(mediaType);
      const rest = { method: "GET", filename: filename ?? null, mediaType: type, maxBytes: null } as const;
      return link(key, expiresInSeconds, rest);
    },
    async signPut(key, { expiresInSeconds, maxBytes, sizeBytes = maxBytes, mediaType }) {
      const type = headerType(mediaType);
      const cap = Math.min(maxBytes, sizeBytes);
      const rest = { method: "PUT", filename: null, mediaType: null, maxBytes: cap } as const;
      return { ...link(key, expiresInSeconds, rest), headers: type ? { "content-type": type } : {} };
    },
    async check() {
      try {
        await probe(store);
      } catch (error) {
        if (error instanceof StorageUnavailableError) throw error;
        throw new StorageUnavailableError(root, messageOf(error), error);
      }
    },
    uriOf(key) {
      fileOfKey(objects, key);
      return `sluice://objects/${key}`;
    },
    verifyLink(method, key, query) {
      const allowed = signer.verify(method, key, query);
      if (!isObjectKey(key)) throw new ObjectNotFoundError(key);
      return allowed;
    },
  };
  return store;
}

const BROKEN = new Set([
  "ENOSPC",
  "EDQUOT",
  "EROFS",
  "EACCES",
  "EPERM",
  "EIO",
  "EMFILE",
  "ENFILE",
  "ENOTDIR",
  "ENOENT",
]);

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === "ENOENT") return null;
  throw error;
}
