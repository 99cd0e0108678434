import { createHmac, createSecretKey, type Hmac, type KeyObject } from "node:crypto";

/** A secret as Standard Webhooks writes it: its bytes in base64 behind a mark. */
const MARKED = /^whsec_(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Whether it begins as a secret of Standard Webhooks does and is none. */
export function isBrokenSecret(secret: string): boolean {
  return secret.startsWith("whsec_") && (!MARKED.test(secret) || secret.length < 14);
}

/** What messages are signed with: the bytes of a `whsec_` secret, or those of any other text as it is. */
export function signingKey(secret: string): KeyObject {
  return createSecretKey(MARKED.test(secret) ? Buffer.from(secret.slice(6), "base64") : Buffer.from(secret));
}

/**
 * Begins the signature of a message by the Standard Webhooks scheme (standardwebhooks.com): the body goes in by `update`,
 * `signatureOf` ends it.
 * @param timestamp seconds since 1970, whole
 */
export function beginSignature(key: KeyObject, id: string, timestamp: number): Hmac {
  return createHmac("sha256", key).update(`${id}.${timestamp}.`);
}

/** The value of the header `webhook-signature`. */
export function signatureOf(hmac: Hmac): string {
  return `v1,${hmac.digest("base64")}`;
}
