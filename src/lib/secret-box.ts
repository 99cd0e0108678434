import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

/** Encrypts small secrets for the database: AES-256-GCM, a fresh nonce each, bound to a context. */
export interface SecretBox {
  /** nonce (12 bytes) ‖ tag (16) ‖ ciphertext; opens only with the same `context`. */
  seal(plaintext: Uint8Array | string, context: string): Buffer;
  /** @throws Error when the key or the context is another, or the bytes were altered */
  open(sealed: Uint8Array, context: string): Buffer;
}

/** @param masterKey 32 bytes or more; `purpose` gives every use a key of its own (HKDF-SHA-256, RFC 5869) */
export function createSecretBox(masterKey: Uint8Array, purpose: string): SecretBox {
  const key = deriveKey(masterKey, purpose);
  return {
    seal(plaintext, context) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(context));
      const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed);
      // With the length, since a shorter tag would be taken too, and is guessed sooner.
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12), {
        authTagLength: 16,
      }).setAAD(Buffer.from(context));
      decipher.setAuthTag(bytes.subarray(12, 28));
      return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]);
    },
  };
}

/** A key of its own for `purpose`, derived from the master key (HKDF-SHA-256, RFC 5869): 32 bytes. */
export function deriveKey(masterKey: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", masterKey, new Uint8Array(0), `sluice:${purpose}`, 32));
}
