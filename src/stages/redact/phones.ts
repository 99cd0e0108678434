import type { DigitGroup } from "./digits.ts";
import type { Match } from "./match.ts";

/** ITU-T E.164. */
const MAX_DIGITS = 15;
/** What stands between the groups of one number: on one line, and across its end while the number is too short. */
const GAP = /^[ \t\u00A0\u2007\u2009\u202F.\-\u2010-\u2015/()]{1,3}$/;
const GAP_OVER_LINES = /^[\s.\-\u2010-\u2015/()]{1,4}$/;
const ENOUGH_DIGITS = 7;
const PLUS = /[+＋]\(?$/;
/** Before a number that says nothing of itself; the number may be a part of a word, an address or a decimal. */
const INSIDE = /(?:[\p{L}\p{N}_/@]|[\p{L}\p{N}][.,:#&?\u2010-\u2015-])\(?$/u;
const LABEL =
  /(?:\b(?:tel|phone|telephone|telefon|t[eé]l[eé]phone|t[eé]l[eé]fono|t[eé]l|mobile?|mobil|handy|cell|fax|call|dial)|[☎☏📞📱])(?:[\s.]{0,2}(?:no|nr|number|nummer))?[\s.:(]{0,4}$/iu;
const LABEL_CHARACTERS = 30;

/**
 * Phone numbers: international ones (`+` or `00`, 7 to 15 digits), national ones with a 0 before (9 to 12 digits in groups of
 * two or more), North American ones (3, 3 and 4 digits, parted), and any of 5 to 15 digits behind a word such as `Tel.`.
 */
export function findPhones(text: string, groups: readonly DigitGroup[]): Match[] {
  const matches: Match[] = [];
  for (let first = 0; first < groups.length; first++) {
    const found = phoneAt(text, groups, first);
    if (!found) continue;
    matches.push({ kind: "phone", start: found.start, end: groups[found.last]?.end ?? 0 });
    first = found.last;
  }
  return matches;
}

function phoneAt(
  text: string,
  groups: readonly DigitGroup[],
  first: number,
): { start: number; last: number } | null {
  const group = groups[first];
  if (!group || group.digits === "") return null;
  const before = text.slice(Math.max(0, group.start - 2), group.start);
  const plus = PLUS.exec(before)?.[0];
  const open = before.endsWith("(") ? 1 : 0;
  const start = group.start - (plus?.length ?? open);
  const within = (least: number, most: number): { start: number; last: number } | null => {
    const last = lastGroup(text, groups, first, most);
    return last !== null && digitsOf(groups, first, last) >= least ? { start, last } : null;
  };
  if (plus !== undefined) return within(7, MAX_DIGITS);
  if (LABEL.test(text.slice(Math.max(0, start - LABEL_CHARACTERS), start))) return within(5, MAX_DIGITS);
  if (INSIDE.test(text.slice(Math.max(0, start - 2), start))) return null;
  if (/^00[1-9]/.test(group.digits)) return within(9, MAX_DIGITS + 2);
  if (/^0[1-9]/.test(group.digits)) return nationalAt(text, groups, first, within(9, 12));
  return northAmericanAt(text, groups, first, start);
}

/** The last group that belongs to a number of `most` digits at most; null when the first has more already. */
function lastGroup(text: string, groups: readonly DigitGroup[], first: number, most: number): number | null {
  let digits = groups[first]?.digits.length ?? 0;
  if (digits > most) return null;
  let last = first;
  for (let next = first + 1; next < groups.length; next++) {
    const group = groups[next];
    const between = text.slice(groups[last]?.end ?? 0, group?.start ?? 0);
    if (!GAP.test(between) && !(digits < ENOUGH_DIGITS && GAP_OVER_LINES.test(between))) break;
    const more = group?.digits.length ?? 0;
    if (more === 0 || digits + more > most) break;
    digits += more;
    last = next;
  }
  return last;
}

function digitsOf(groups: readonly DigitGroup[], first: number, last: number): number {
  let digits = 0;
  for (let at = first; at <= last; at++) digits += groups[at]?.digits.length ?? 0;
  return digits;
}

/** No date, and no row of single digits. */
function nationalAt(
  text: string,
  groups: readonly DigitGroup[],
  first: number,
  found: { start: number; last: number } | null,
): typeof found {
  if (!found) return null;
  const lengths = groups.slice(first, found.last + 1).map(({ digits }) => digits.length);
  if (lengths.some((length) => length < 2) || /^2,2,4/.test(lengths.join())) return null;
  return /[\p{L}_]/u.test(text[groups[found.last]?.end ?? 0] ?? "") ? null : found;
}

function northAmericanAt(
  text: string,
  groups: readonly DigitGroup[],
  first: number,
  start: number,
): { start: number; last: number } | null {
  const from = groups[first]?.digits === "1" ? first + 1 : first;
  const parts = groups.slice(from, from + 3);
  if (!/^[2-9]\d\d [2-9]\d\d \d{4}$/.test(parts.map(({ digits }) => digits).join(" "))) return null;
  for (let at = first + 1; at <= from + 2; at++) {
    if (!GAP.test(text.slice(groups[at - 1]?.end ?? 0, groups[at]?.start ?? 0))) return null;
  }
  return { start, last: from + 2 };
}
