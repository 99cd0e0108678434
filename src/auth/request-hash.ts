import { requestHash } from "../lib/request-hash.ts";
import { deriveKey } from "../lib/secret-box.ts";

/** Tells whether a repeated request id asks for the same. */
export type RequestHash = (request: Readonly<Record<string, unknown>>) => string;

export function createRequestHash(masterKey: Uint8Array): RequestHash {
  const key = deriveKey(masterKey, "account request hashes");
  return (request) => requestHash(key, request);
}
