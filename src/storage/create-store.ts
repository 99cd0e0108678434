import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { StorageUrlError } from "./errors.ts";
import { createFileStore, type FileStore, type FileStoreDeps } from "./file-store.ts";

/**
 * The store at `url`: a folder, as `file:///path` or an absolute path.
 * @throws StorageUrlError for any other scheme, `s3://` among them
 */
export function createObjectStore(url: string, deps: Omit<FileStoreDeps, "root">): FileStore {
  return createFileStore({
    ...deps,
    root: folderOfStore(url),
    // A server learns its address only when it listens, and that is later than now: no copy will do.
    get publicUrl() {
      return deps.publicUrl;
    },
  });
}

/** The folder on this machine that a store at `url` keeps its objects in. @throws StorageUrlError as above */
export function folderOfStore(url: string): string {
  if (isAbsolute(url)) return url;
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase() ?? url;
  if (scheme !== "file") throw new StorageUrlError(scheme);
  return fileURLToPath(url);
}
