import { join } from "node:path";
import { ObjectKeyError } from "./errors.ts";

const PART = "[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}";
const KEY = new RegExp(`^${PART}(?:/${PART})*$`);
const MAX_LENGTH = 512;

/** True for what every store takes as a key; such a key needs no escaping in a URL or a file name. */
export function isObjectKey(key: string): boolean {
  return key.length <= MAX_LENGTH && KEY.test(key);
}

/**
 * The file of a key below `root`. Folders end in `+`, which no key contains, so that `a` and `a/b` can both be.
 * @throws ObjectKeyError
 */
export function fileOfKey(root: string, key: string): string {
  if (!isObjectKey(key)) throw new ObjectKeyError(key);
  const parts = key.split("/");
  return join(root, ...parts.map((part, i) => (i < parts.length - 1 ? `${part}+` : part)));
}
