import { decodeJwt, decodeProtectedHeader } from "jose";

const FORM = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** What a token says of itself, before anything of it is known to be true. */
export interface TokenParts {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * Header and claims of a signed token, unverified; null if it is too long, or not spelled the one way that an
 * encoder spells it: one token has many spellings for a lenient reader.
 */
export function readToken(text: string, maxLength: number): TokenParts | null {
  if (text.length > maxLength || !FORM.test(text)) return null;
  for (const part of text.split(".")) {
    if (Buffer.from(part, "base64url").toString("base64url") !== part) return null;
  }
  try {
    return { header: { ...decodeProtectedHeader(text) }, claims: { ...decodeJwt(text) } };
  } catch {
    return null;
  }
}
