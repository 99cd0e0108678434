import { createHmac } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";

/**
 * Tells whether a repeated request id asks for the same. Keyed, since secrets are part of requests: without the key they
 * cannot be guessed from the hash.
 * @param request what makes two requests the same, as JSON has it
 */
export function requestHash(key: Uint8Array, request: unknown): string {
  return createHmac("sha256", key).update(canonicalJson(request)).digest("hex");
}
