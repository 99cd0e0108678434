import type { DigitGroup } from "./digits.ts";
import type { Match } from "./match.ts";

/** ITU-T E.164. */
const MAX_DIGITS = 15;
/** What stands between the groups of one number: on one line, and across its end while the number is too short. */
const GAP = /^[ \t\u00A0\u2007\u2009\u202F.\-\u2010-\u2015/()]{1,3}$/;
const GAP_OVER_LINES = /^[\s.\-\u2010-\u2015/()]{1,4}$/;
const ENOUGH_DIGITS = 7;
const MIN_PLAIN_DIGITS = 9;
const PLUS = /[+＋]\(?$/;
/** Before a number that says nothing of itself; the number may be a part of a word, an address or a decimal. */
const INSIDE = /(?:[\p{L}\p{N}_/@]|[\p{L}\p{N}][.,:#&?\u2010-\u2015-])\(?$/u;
const LABEL =
  /(?:\b(?:tel|phone|telephone|telefon|t[eé]l[eé]phone|t[eé]l[eé]fono|t[eé]l|mobile?|mobil|handy|cell|fax|call|dial)|[☎☏📞📱])(?:[\s.]{0,2}(?:no|nr|number|nummer))?[\s.:(]{0,4}$/iu;
const LABEL_CHARACTERS = 30;

type Lasts = readonly (number | undefined)[];

/**
 * Phone numbers: international ones (`+` or `00`, 7 to 15 digits), national ones with a 0 before (9 to 12 digits in groups of
 * two or more), North American ones (3, 3 and 4 digits, parted), and any of 5 to 15 digits behind a word such as `Tel.`.
 */
export function findPhones(text: string, groups: readonly DigitGroup[]): Match[] {
  const lasts = plainNumbers(text, groups);
  const matches: Match[] = [];
  let previous = -1;
  for (let first = 0; first < groups.length; first++) {
    const found = phoneAt(text, groups, lasts, first, first > 0 && first === previous + 1);
    if (!found) continue;
    let { last } = found;
    // Where one ends and the next begins is not always clear: what could be either goes.
    for (let inner = first + 1; inner <= last; inner++) last = Math.max(last, lasts[inner] ?? 0);
    matches.push({ kind: "phone", start: found.start, end: groups[last]?.end ?? 0 });
    first = last;
    previous = last;
  }
  return matches;
}

/**
 * By their first group the last groups of the numbers that need nothing before them. From the end on: a number ends where
 * the next begins.
 */
function plainNumbers(text: string, groups: readonly DigitGroup[]): Lasts {
  const lasts: (number | undefined)[] = new Array(groups.length);
  for (let first = groups.length - 1; first >= 0; first--) {
    const digits = groups[first]?.digits ?? "";
    const within = (most: number): number | undefined =>
      lastGroup(text, groups, lasts, first, { least: MIN_PLAIN_DIGITS, most });
    if (/^00[1-9]/.test(digits)) lasts[first] = within(MAX_DIGITS + 2);
    else if (/^0[1-9]/.test(digits)) lasts[first] = nationalLast(text, groups, first, within(12));
    else lasts[first] = northAmericanLast(text, groups, first);
  }
  return lasts;
}

function phoneAt(
  text: string,
  groups: readonly DigitGroup[],
  lasts: Lasts,
  first: number,
  behindAnother: boolean,
): { start: number; last: number } | undefined {
  const group = groups[first];
  if (!group || group.digits === "") return undefined;
  const before = text.slice(Math.max(0, group.start - 2), group.start);
  const plus = PLUS.exec(before)?.[0];
  const open = before.endsWith("(") ? 1 : 0;
  const start = group.start - (plus?.length ?? open);
  const upTo = (last: number | undefined) => (last === undefined ? undefined : { start, last });
  const most = MAX_DIGITS;
  if (plus !== undefined)
    return upTo(lastGroup(text, groups, lasts, first, { least: 7, most, several: true }));
  if (LABEL.test(text.slice(Math.max(0, start - LABEL_CHARACTERS), start)))
    return upTo(lastGroup(text, groups, lasts, first, { least: 5, most, several: true }));
  const joined = behindAnother && GAP.test(text.slice(groups[first - 1]?.end ?? 0, group.start));
  if (!joined && INSIDE.test(text.slice(Math.max(0, start - 2), start))) return undefined;
  return upTo(lasts[first]);
}

/**
 * The last group that belongs to a number of `least` to `most` digits, which ends before the next one. With `several`, short
 * ones behind it that begin with a 0 belong to it.
 */
function lastGroup(
  text: string,
  groups: readonly DigitGroup[],
  lasts: Lasts,
  first: number,
  { least, most, several = false }: { least: number; most: number; several?: boolean },
): number | undefined {
  let digits = groups[first]?.digits.length ?? 0;
  if (digits > most) return undefined;
  let total = digits;
  /** Of these, those from the last group on that begins with a 0. */
  let recent = digits;
  let last = first;
  for (let next = first + 1; next < groups.length; next++) {
    const group = groups[next];
    const between = text.slice(groups[last]?.end ?? 0, group?.start ?? 0);
    if (!GAP.test(between) && !(digits < ENOUGH_DIGITS && GAP_OVER_LINES.test(between))) break;
    if (digits >= MIN_PLAIN_DIGITS && lasts[next] !== undefined) break;
    const more = group?.digits.length ?? 0;
    recent = (group?.digits.startsWith("0") ? 0 : recent) + more;
    digits = several && digits + more > most ? recent : digits + more;
    if (more === 0 || digits > most) break;
    total += more;
    last = next;
  }
  return total < least ? undefined : last;
}

/** No date, and no row of single digits. */
function nationalLast(
  text: string,
  groups: readonly DigitGroup[],
  first: number,
  last: number | undefined,
): number | undefined {
  if (last === undefined) return undefined;
  const lengths = groups.slice(first, last + 1).map(({ digits }) => digits.length);
  if (lengths.some((length) => length < 2) || /^2,2,4/.test(lengths.join())) return undefined;
  return /[\p{L}_]/u.test(text[groups[last]?.end ?? 0] ?? "") ? undefined : last;
}

function northAmericanLast(text: string, groups: readonly DigitGroup[], first: number): number | undefined {
  const from = groups[first]?.digits === "1" ? first + 1 : first;
  const parts = groups.slice(from, from + 3);
  if (!/^[2-9]\d\d [2-9]\d\d \d{4}$/.test(parts.map(({ digits }) => digits).join(" "))) return undefined;
  for (let at = first + 1; at <= from + 2; at++) {
    if (!GAP.test(text.slice(groups[at - 1]?.end ?? 0, groups[at]?.start ?? 0))) return undefined;
  }
  return from + 2;
}
