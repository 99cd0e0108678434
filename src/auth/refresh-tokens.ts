import { createHash, createHmac, randomBytes } from "node:crypto";
import { deriveKey } from "../lib/secret-box.ts";

const FORM = /^slr_[A-Za-z0-9_-]{43}$/;

/** Makes refresh tokens: 256 bits each, opaque; only their hashes are stored. */
export interface RefreshTokenMaker {
  /** The first of a session. */
  first(): string;
  /**
   * The one after `token`. It follows from the token and a key, so that a repeated refresh gets the same one
   * although no token is stored.
   */
  successor(token: string, sessionId: string, sequence: number): string;
}

export function createRefreshTokenMaker(
  masterKey: Uint8Array,
  random: (bytes: number) => Buffer = randomBytes,
): RefreshTokenMaker {
  const key = deriveKey(masterKey, "refresh-tokens");
  return {
    first: () => `slr_${random(32).toString("base64url")}`,
    successor(token, sessionId, sequence) {
      const mac = createHmac("sha256", key)
        .update(`${sessionId}.${sequence}.`)
        .update(hashRefreshToken(token));
      return `slr_${mac.digest("base64url")}`;
    },
  };
}

/** True for what could be a refresh token of ours. */
export function isRefreshToken(text: string): boolean {
  return FORM.test(text);
}

export function hashRefreshToken(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
