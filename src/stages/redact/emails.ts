import { type Match, UNSEEN } from "./match.ts";

const MAX_LOCAL = 64;
const MAX_DOMAIN = 253;
/** As written, in full width, and as in the target of a link. */
const AT = /@|＠|﹫|%40/g;
const SIGNS = "0-9.!#$%&'*+/=?^_`{|}~\\-";
/** Beside a Latin letter only such ones belong to an address: Chinese and Japanese set no blank before it. */
const LATIN = new RegExp(`[${SIGNS}${UNSEEN}\\p{Script=Latin}\\p{M}]`, "u");
const ANY = new RegExp(`[${SIGNS}${UNSEEN}\\p{L}\\p{M}\\p{N}]`, "u");
const LATIN_DOMAIN = new RegExp(`[0-9.\\-${UNSEEN}\\p{Script=Latin}\\p{M}]{1,${MAX_DOMAIN}}`, "uy");
const ANY_DOMAIN = new RegExp(`[.\\-${UNSEEN}\\p{L}\\p{M}\\p{N}]{1,${MAX_DOMAIN}}`, "uy");
const IP_LITERAL = /\[(?:IPv6:)?[0-9a-f.:]{3,45}\]/iy;
/** A line may end behind the sign. */
const LINE_END = /[ \t]?\r?\n[ \t]{0,2}/y;
const UNSEEN_SIGN = new RegExp(`[${UNSEEN}]`, "g");
/** Signs that addresses may begin with, and that much more often stand around them. */
const AROUND = /['`/|*{=.]/;

/** E-mail addresses, also internationalized, quoted, percent-encoded, and broken behind the `@`. */
export function findEmails(text: string): Match[] {
  const matches: Match[] = [];
  for (const sign of text.matchAll(AT)) {
    const end = domainEnd(text, sign.index + sign[0].length);
    if (end === null) continue;
    const start = localStart(text, sign.index);
    if (start < sign.index) matches.push({ kind: "email", start, end });
  }
  return matches;
}

function localStart(text: string, at: number): number {
  if (text[at - 1] === '"') {
    const open = text.lastIndexOf('"', at - 2);
    if (open >= 0 && at - open <= MAX_LOCAL + 2 && !text.slice(open, at).includes("\n")) return open;
    return at;
  }
  const allowed = LATIN.test(text[at - 1] ?? "") ? LATIN : ANY;
  let start = at;
  while (start > 0 && at - start < MAX_LOCAL && allowed.test(text[start - 1] ?? "")) start--;
  while (start < at && AROUND.test(text[start] ?? "")) start++;
  return start;
}

function domainEnd(text: string, from: number): number | null {
  const start = lastIndexOf(LINE_END, text, from) ?? from;
  const literal = lastIndexOf(IP_LITERAL, text, start);
  if (literal !== null) return literal;
  const pattern = /[0-9A-Za-z]/.test(text[start] ?? "") ? LATIN_DOMAIN : ANY_DOMAIN;
  const most = lastIndexOf(pattern, text, start);
  if (most === null) return null;
  const [whole = ""] = text.slice(start, most).split("..");
  const domain = whole.replace(/[.-]+$/, "");
  const labels = domain.replace(UNSEEN_SIGN, "").split(".");
  const top = labels.at(-1) ?? "";
  const good = labels.length > 1 && !labels.includes("") && top.length > 1 && /\D/.test(top);
  return good ? start + domain.length : null;
}

/** Where a sticky pattern ends that begins at `from`; null when it does not match there. */
function lastIndexOf(pattern: RegExp, text: string, from: number): number | null {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : null;
}
