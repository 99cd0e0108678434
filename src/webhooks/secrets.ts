import { randomBytes } from "node:crypto";
import type { SecretBox } from "../lib/secret-box.ts";

/** `whsec_` and 32 random bytes in base64, as Standard Webhooks writes a secret. */
export function newSecret(): string {
  return `whsec_${randomBytes(32).toString("base64")}`;
}

/** What of a webhook is encrypted, each bound to its webhook and its place there. */
export type SecretPart = "url" | "headers" | "secret";

export function seal(box: SecretBox, webhookId: string, part: SecretPart, text: string): Buffer {
  return box.seal(text, `${webhookId} ${part}`);
}

/** @throws Error when it was sealed with another master key, for another webhook, or was altered */
export function unseal(box: SecretBox, webhookId: string, part: SecretPart, sealed: Uint8Array): string {
  return box.open(sealed, `${webhookId} ${part}`).toString();
}
