import { type Match, UNSEEN } from "./match.ts";

/** Signs of an IBAN by country: the registry of SWIFT, release 99. */
const LENGTHS =
  "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 " +
  "FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 " +
  "LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 " +
  "SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30";
const LENGTH_OF: ReadonlyMap<string, number> = new Map(
  LENGTHS.split(" ").map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);
/** A country and the first digit of the check, not inside a word, but also right behind `IBAN`. */
const HEAD = new RegExp(
  `(?<=IBAN|(?<![\\p{L}\\p{N}]))[A-Z][${UNSEEN}]?[A-Z][\\s${UNSEEN}-]{0,2}[0-9]`,
  "giu",
);
const MAX_GAP = 3;
const GAP = new RegExp(`[\\s.\\u2010-\\u2015${UNSEEN}-]`, "u");
const SIGN = /[0-9A-Z]/i;
const WORD = /[\p{L}\p{N}]/u;

/** International bank account numbers, in groups or not, with a check number that is right (mod 97). */
export function findIbans(text: string): Match[] {
  const matches: Match[] = [];
  let from = 0;
  for (const { index } of text.matchAll(HEAD)) {
    const end = index < from ? null : ibanEnd(text, index);
    if (end === null) continue;
    matches.push({ kind: "iban", start: index, end });
    from = end;
  }
  return matches;
}

function ibanEnd(text: string, start: number): number | null {
  let iban = "";
  let at = start;
  let length = MAX_GAP;
  for (let gap = 0; iban.length < length && gap <= MAX_GAP && at < text.length; at++) {
    const sign = text[at] ?? "";
    if (SIGN.test(sign)) {
      iban += sign.toUpperCase();
      gap = 0;
      if (iban.length === 2) length = LENGTH_OF.get(iban) ?? 0;
    } else if (GAP.test(sign)) gap++;
    else break;
  }
  const whole = iban.length === length && !WORD.test(text[at] ?? "");
  return whole && remainderOf(iban) === 1 ? at : null;
}

/** ISO 7064, mod 97-10: the first four signs go to the end, letters count from 10. */
function remainderOf(iban: string): number {
  let remainder = 0;
  for (const sign of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(sign, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder;
}
