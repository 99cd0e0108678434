import type { CorpusDocument } from "./documents.ts";
import type { Reading } from "./reading.ts";
import { missingRuns, type Score, scoreText } from "./score.ts";

/** What one reader made of one document. */
export interface Measured extends Reading {
  readonly document: CorpusDocument;
  /** Null where the document has to fail. */
  readonly score: Score | null;
  /** The runs of words that must be in it and stand neither in the text nor in the Markdown. */
  readonly missing: readonly string[];
  /** Ended as it had to: with a text, or refused for the right reason. */
  readonly ended: boolean;
}

export function measure(document: CorpusDocument, reading: Reading): Measured {
  const { expected, must, outcome } = document;
  return {
    ...reading,
    document,
    score: expected === null ? null : scoreText(reading.text, expected),
    // Markdown has what the text may leave out (targets, languages of code) between words, and the other way round.
    missing: missingRuns(reading.plain ?? reading.text, missingRuns(reading.text, must)),
    ended: outcome === null ? reading.failure === null : endsAs(outcome, reading.failure),
  };
}

/** `FAILED REASON`, or `COMPLETED, or FAILED with a documented reason` where both are right. */
function endsAs(outcome: string, failure: string | null): boolean {
  if (failure === null) return outcome.startsWith("COMPLETED");
  return outcome === `FAILED ${failure}` || (outcome.includes("or FAILED") && /^[A-Z_]+$/.test(failure));
}

export interface Summary {
  readonly documents: number;
  readonly f1: number;
  readonly precision: number;
  readonly recall: number;
  readonly worst: Measured | undefined;
}

/** Means over the documents that have an expected text. */
export function summarize(all: readonly Measured[]): Summary {
  const scored = all.filter(({ score }) => score !== null);
  const mean = (part: keyof Score): number =>
    scored.reduce((sum, { score }) => sum + (score?.[part] ?? 0), 0) / Math.max(1, scored.length);
  const worst = scored.reduce<Measured | undefined>(
    (low, one) => (low === undefined || (one.score?.f1 ?? 0) < (low.score?.f1 ?? 0) ? one : low),
    undefined,
  );
  return {
    documents: scored.length,
    f1: mean("f1"),
    precision: mean("precision"),
    recall: mean("recall"),
    worst,
  };
}
