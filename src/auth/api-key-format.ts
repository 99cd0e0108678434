import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH = 12;
const SECRET_LENGTH = 43;
const CHECK_LENGTH = 6;

/** For secret scanners too: `slk_`, 12 characters of id, `_`, 43 of secret (256 bits), 6 of checksum. */
const FORM = /^slk_([0-9A-Za-z]{12})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;

/** A key as its holder has it, taken apart. */
export interface ApiKeyParts {
  readonly id: string;
  readonly secret: string;
}

/** A new key: the text for its holder, and what is stored of it. */
export function makeApiKey(random: (bytes: number) => Buffer = randomBytes): {
  readonly id: string;
  readonly hash: Buffer;
  readonly text: string;
} {
  const id = base62(random(16), ID_LENGTH);
  const secret = base62(random(32), SECRET_LENGTH);
  return { id, hash: hashSecret(secret), text: `slk_${id}_${secret}${checksum(id, secret)}` };
}

/** The parts of a key; null when the form or the checksum is wrong, which needs no look into the database. */
export function parseApiKey(text: string): ApiKeyParts | null {
  const [, id = "", secret = "", check = ""] = FORM.exec(text) ?? [];
  return id !== "" && check === checksum(id, secret) ? { id, secret } : null;
}

/** In constant time. */
export function secretMatches(secret: string, hash: Uint8Array): boolean {
  return hash.byteLength === 32 && timingSafeEqual(hashSecret(secret), hash);
}

function hashSecret(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

function checksum(id: string, secret: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(`slk_${id}_${secret}`));
  return base62(bytes, CHECK_LENGTH);
}

/** The lowest `length` digits of the number that the bytes are. */
function base62(bytes: Buffer, length: number): string {
  let number = BigInt(`0x${bytes.toString("hex")}`);
  let text = "";
  for (let i = 0; i < length; i++) {
    text = ALPHABET.charAt(Number(number % 62n)) + text;
    number /= 62n;
  }
  return text;
}
