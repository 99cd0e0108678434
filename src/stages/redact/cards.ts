import type { DigitGroup } from "./digits.ts";
import type { Match } from "./match.ts";

const MIN_DIGITS = 13;
const MAX_DIGITS = 19;
/** What stands between the groups of one number. */
const GAP = /^[\s.,_·/\u2010-\u2015-]{1,3}$/;
/** A number with decimals is no card. */
const DECIMALS = /\p{Nd}[.,]$/u;

/**
 * Payment cards: 13 to 19 digits, the first from 2 to 6, in one group, or in groups of which the first has 4 to 6 digits
 * and others at least 3 (the last any), with a check digit that is right (Luhn).
 */
export function findCards(text: string, groups: readonly DigitGroup[]): Match[] {
  const matches: Match[] = [];
  for (let first = 0; first < groups.length; first++) {
    const last = lastOfCard(text, groups, first);
    if (last === null) continue;
    const [start = 0, end = 0] = [groups[first]?.start, groups[last]?.end];
    matches.push({ kind: "card", start, end });
    first = last;
  }
  return matches;
}

/** The last group of the longest card number that begins with this group. */
function lastOfCard(text: string, groups: readonly DigitGroup[], first: number): number | null {
  const head = groups[first]?.digits ?? "";
  if (!/^[2-6]/.test(head) || head.length < 4) return null;
  let number = "";
  let found: number | null = null;
  for (let at = first; at < groups.length; at++) {
    const group = groups[at];
    if (!group || group.digits === "") break;
    const before = groups[at - 1];
    if (at > first && !GAP.test(text.slice(before?.end ?? 0, group.start))) break;
    // Only the last group may be short.
    if (at > first + 1 && (before?.digits.length ?? 0) < 3) break;
    if (at > first && head.length > 6) break;
    number += group.digits;
    if (number.length > MAX_DIGITS) break;
    if (number.length < MIN_DIGITS || !hasCheckDigit(number)) continue;
    const { start } = groups[first] ?? group;
    if (at === first && DECIMALS.test(text.slice(Math.max(0, start - 2), start))) continue;
    found = at;
  }
  return found;
}

/** Luhn, ISO/IEC 7812-1. */
function hasCheckDigit(number: string): boolean {
  let sum = 0;
  for (let place = 0; place < number.length; place++) {
    const digit = Number(number[number.length - 1 - place]);
    const counted = place % 2 === 0 ? digit : digit * 2;
    sum += counted > 9 ? counted - 9 : counted;
  }
  return sum % 10 === 0;
}
