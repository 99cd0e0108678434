import { RE2JS } from "re2js";

/** States of one pattern's automaton, and of all patterns of a pipeline: matching costs in proportion to them. */
const MAX_STATES = 1_000;
const MAX_STATES_IN_ALL = 5_000;
/** A character of a pattern that is made to be slow to read takes up to 8 µs. */
const MAX_CHARACTERS_IN_ALL = 10_000;

/** What the patterns of one pipeline have taken so far. */
export interface PatternBudget {
  states: number;
  characters: number;
}

/**
 * Faults of patterns in RE2 syntax, in order; null where there is none. No more is read once the patterns of the pipeline
 * are too large in all, so that checking takes a tenth of a second at the most.
 */
export function patternFaults(patterns: readonly string[], spent: PatternBudget): (string | null)[] {
  return patterns.map((pattern) => {
    spent.characters += pattern.length;
    if (spent.characters > MAX_CHARACTERS_IN_ALL)
      return `The patterns of the pipeline have more than ${MAX_CHARACTERS_IN_ALL} characters in all. Use fewer.`;
    if (spent.states > MAX_STATES_IN_ALL)
      return `The patterns of the pipeline are too large in all: more than ${MAX_STATES_IN_ALL} states. Use fewer, or smaller counts of repetition.`;
    let states: number;
    try {
      states = RE2JS.compile(pattern).programSize();
    } catch (error) {
      const why =
        error instanceof Error ? error.message.replace(/^error parsing regexp: /, "") : String(error);
      return `Not a pattern in RE2 syntax: ${why}.`;
    }
    spent.states += states;
    return states > MAX_STATES
      ? `The pattern is too large: ${states} states, of at most ${MAX_STATES}. Use smaller counts of repetition.`
      : null;
  });
}
