/** What never appears in the record, wherever it came from: our credentials, JWTs, bearer headers, private keys. */
const TOKEN_LIKE = [
  /\b(?:slk|slr|whsec|whsk)_[A-Za-z0-9+/=_-]+/g,
  /eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,4}/g,
  /\bBearer\s+[^\s"',;]+/gi,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
];
const USERINFO = /([a-z][a-z0-9+.-]*:\/\/)[^\s/?#@]*@/gi;
const SIGNED_QUERY = /(https?:\/\/[^\s?#]+)\?[^\s#]*/gi;
// Control characters (CR, LF, ESC and NUL among them) and separators that break lines.
const CONTROL = /[\p{Cc}\u2028\u2029]/gu;

/** Input beyond this is cut before the patterns run, so that their cost is bounded. */
const SCAN_LIMIT = 4096;

/** Replaces everything that looks like a credential, and drops userinfo and query of URLs. */
function scrub(text: string): string {
  let out = text;
  for (const pattern of TOKEN_LIKE) out = out.replace(pattern, "[redacted]");
  return out.replace(USERINFO, "$1").replace(SIGNED_QUERY, "$1");
}

/**
 * Text that may be stored and printed: without credentials, control characters escaped, well formed, at most
 * `maxLength` characters.
 */
export function cleanText(text: string, maxLength = 256): string {
  const clean = scrub(text.slice(0, SCAN_LIMIT)).replace(CONTROL, escapeControl).toWellFormed();
  if (clean.length <= maxLength) return clean;
  return `${clean.slice(0, maxLength - 1).toWellFormed()}…`;
}

function escapeControl(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
