import { DocumentFault } from "../../errors.ts";
import type { ExtractLimits } from "../../extractor.ts";

/** Counts the characters of the output. */
export type OutputBudget = (characters: number) => void;

/** A counter that faults once the output would exceed `limits.maxOutputCharacters`. */
export function outputBudget(limits: ExtractLimits): OutputBudget {
  let left = limits.maxOutputCharacters;
  return (characters) => {
    left -= characters;
    if (left < 0) {
      throw new DocumentFault(
        "LIMIT_EXCEEDED",
        `The document has more than the ${limits.maxOutputCharacters} characters of text allowed.`,
      );
    }
  };
}
