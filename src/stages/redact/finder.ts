import { MatcherInput, RE2JS } from "re2js";
import { findCards } from "./cards.ts";
import { digitGroups } from "./digits.ts";
import { findEmails } from "./emails.ts";
import { findIbans } from "./ibans.ts";
import { LiveText } from "./live-text.ts";
import type { Find, Kind, Match } from "./match.ts";
import { findPhones } from "./phones.ts";

/** Long texts are looked through in parts, so that memory stays small. */
const PART = 128 * 1024;
/** What is looked for, with what decides about it on both sides, is shorter. */
const CONTEXT = 1024;

/** Finds what is of one of the kinds. `alive` is called again and again while it looks. */
export function createFinder(kinds: ReadonlySet<Kind>, alive: () => void): Find {
  const findIn = finderOfParts(kinds);
  return (text) => {
    const matches: Match[] = [];
    for (let from = 0; from < text.length; from += PART) {
      if (from > 0) alive();
      const begin = Math.max(0, from - CONTEXT);
      for (const { kind, ...place } of findIn(text.slice(begin, from + PART + CONTEXT))) {
        const start = place.start + begin;
        if (start >= from && start < from + PART) matches.push({ kind, start, end: place.end + begin });
      }
    }
    return matches;
  };
}

function finderOfParts(kinds: ReadonlySet<Kind>): Find {
  const numbers = kinds.has("card") || kinds.has("phone");
  return (text) => {
    const groups = numbers ? digitGroups(text) : [];
    return [
      ...(kinds.has("iban") ? findIbans(text) : []),
      ...(kinds.has("card") ? findCards(text, groups) : []),
      ...(kinds.has("email") ? findEmails(text) : []),
      ...(kinds.has("phone") ? findPhones(text, groups) : []),
    ];
  };
}

/** Finds what one of the patterns, in RE2 syntax, matches; matches of nothing do not count. `alive` as above. */
export function createPatternFinder(patterns: readonly string[], alive: () => void): Find {
  const compiled = patterns.map((pattern) => RE2JS.compile(pattern));
  return (text) => {
    const matches: Match[] = [];
    for (const pattern of compiled) {
      const matcher = pattern.matcher(MatcherInput.utf16(new LiveText(text, alive)));
      while (matcher.find()) {
        const [start, end] = [matcher.start(), matcher.end()];
        if (end > start) matches.push({ kind: "pattern", start, end });
      }
    }
    return matches;
  };
}
