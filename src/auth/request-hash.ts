import { createHmac } from "node:crypto";
import { canonicalJson } from "../lib/canonical-json.ts";
import { deriveKey } from "../lib/secret-box.ts";

/** Tells whether a repeated request id asks for the same. */
export type RequestHash = (request: Readonly<Record<string, unknown>>) => string;

/** Keyed, since passwords are part of requests: without the key they cannot be guessed from the hash. */
export function createRequestHash(masterKey: Uint8Array): RequestHash {
  const key = deriveKey(masterKey, "account request hashes");
  return (request) => createHmac("sha256", key).update(canonicalJson(request)).digest("base64url");
}
