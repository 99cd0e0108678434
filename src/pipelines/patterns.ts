import { RE2JS } from "re2js";

/** States of one pattern's automaton, and of all patterns of a pipeline: matching costs in proportion to them. */
const MAX_STATES = 5_000;
const MAX_STATES_IN_ALL = 20_000;

/**
 * Faults of patterns in RE2 syntax, in order; null where there is none. `spent` is what the patterns before have taken.
 * No more is compiled once they are too large in all, so that checking is bounded too.
 */
export function patternFaults(patterns: readonly string[], spent: { states: number }): (string | null)[] {
  return patterns.map((pattern) => {
    if (spent.states > MAX_STATES_IN_ALL)
      return "The patterns of the pipeline are too large in all. Use fewer, or smaller counts of repetition.";
    let states: number;
    try {
      states = RE2JS.compile(pattern).programSize();
    } catch (error) {
      const why =
        error instanceof Error ? error.message.replace(/^error parsing regexp: /, "") : String(error);
      return `Not a pattern in RE2 syntax: ${why}.`;
    }
    spent.states += states;
    return states > MAX_STATES ? "The pattern is too large. Use smaller counts of repetition." : null;
  });
}
