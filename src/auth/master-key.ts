import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { SecretFileError } from "./errors.ts";
import { readSecretFile, writeSecretFile } from "./secret-file.ts";

const FILE = "master-key";
const BYTES = 32;

/**
 * The key that secrets in the database are encrypted with, from `<data dir>/master-key`; made at the first call.
 * Processes that share the folder get the same one, however many start at once.
 * @throws SecretFileError
 */
export async function loadMasterKey(dataDir: string): Promise<Buffer> {
  const path = join(dataDir, FILE);
  if ((await readSecretFile(path)) === null) {
    await writeSecretFile(path, `${randomBytes(BYTES).toString("base64")}\n`, true);
  }
  return parsed(path, (await readSecretFile(path)) ?? "");
}

/** The same key, and null where none has been made yet. @throws SecretFileError */
export async function readMasterKey(dataDir: string): Promise<Buffer | null> {
  const path = join(dataDir, FILE);
  const text = await readSecretFile(path);
  return text === null ? null : parsed(path, text);
}

function parsed(path: string, text: string): Buffer {
  const key = parseMasterKey(text);
  if (!key) {
    throw new SecretFileError(
      path,
      "does not hold a master key (32 bytes in base64 or hex). Restore it from a backup.",
    );
  }
  return key;
}

/** 32 bytes or more, written in hex or base64; null if `text` is not that. */
export function parseMasterKey(text: string): Buffer | null {
  const trimmed = text.trim();
  const hex = /^[0-9a-f]*$/i.test(trimmed);
  if (!hex && !/^[A-Za-z0-9+/_-]{43,}={0,2}$/.test(trimmed)) return null;
  const key = Buffer.from(trimmed, hex ? "hex" : "base64");
  return key.length >= BYTES ? key : null;
}
