import { randomBytes } from "node:crypto";
import { chmod, link, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { SecretFileError } from "./errors.ts";

/**
 * Puts a file with mode 0600 into its place at once: no reader sees half of it, and no crash leaves half. Makes
 * the folder with mode 0700 if there is none. With `exclusive` an existing file stays as it is.
 * @returns false if `exclusive` and there was one
 */
export async function writeSecretFile(path: string, text: string, exclusive = false): Promise<boolean> {
  const folder = dirname(path);
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(draft, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    if (exclusive) await link(draft, path);
    else await rename(draft, path);
    await syncFolder(folder);
    return true;
  } catch (error) {
    if (exclusive && codeOf(error) === "EEXIST") return false;
    throw new SecretFileError(path, "cannot be written. Give the service a data folder that it owns.", error);
  } finally {
    await rm(draft, { force: true }).catch(() => {});
  }
}

/** The file's text without white space at its ends; null if there is no file. Takes the file away from others. */
export async function readSecretFile(path: string): Promise<string | null> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) await chmod(path, 0o600);
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw new SecretFileError(
      path,
      "cannot be read. It must belong to the user that runs the service.",
      error,
    );
  }
}

/** Makes the new name survive a power cut; not every file system can. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => null);
  if (!handle) return;
  try {
    await handle.sync();
  } catch {
    // Some file systems refuse to sync a folder.
  } finally {
    await handle.close();
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}
