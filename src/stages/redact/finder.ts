import { RE2JS } from "re2js";
import { findCards } from "./cards.ts";
import { digitGroups } from "./digits.ts";
import { findEmails } from "./emails.ts";
import { findIbans } from "./ibans.ts";
import type { Find, Kind, Match } from "./match.ts";
import { findPhones } from "./phones.ts";

/** Finds what is of one of the kinds. */
export function createFinder(kinds: ReadonlySet<Kind>): Find {
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

/** Finds what one of the patterns, in RE2 syntax, matches; matches of nothing do not count. */
export function createPatternFinder(patterns: readonly string[]): Find {
  const compiled = patterns.map((pattern) => RE2JS.compile(pattern));
  return (text) => {
    const matches: Match[] = [];
    for (const pattern of compiled) {
      const matcher = pattern.matcher(text);
      while (matcher.find()) {
        const [start, end] = [matcher.start(), matcher.end()];
        if (end > start) matches.push({ kind: "pattern", start, end });
      }
    }
    return matches;
  };
}
