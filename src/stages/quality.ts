import { z } from "zod";
import { stageOptions } from "./options.ts";
import { DEFAULT_WEIGHTS, type PartName, scoreDocument } from "./quality/score.ts";
import { type Stage, StageFailure } from "./stage.ts";

const PARTS = Object.keys(DEFAULT_WEIGHTS) as PartName[];

const Options = z.strictObject({
  /** Weight of each part by its name; a part that is left out has its default weight. */
  weights: z.partialRecord(z.enum(PARTS), z.number().min(0).max(100)).default({}),
  /** The score that is wanted; 0 = none. */
  minimum: z.number().min(0).max(1).default(0),
  /** What happens below it. */
  on_low: z.enum(["flag", "fail"]).default("flag"),
});

/**
 * Rates the result from 0 to 1 (formula: `scoreDocument`). Below the minimum it adds the warning
 * `QUALITY_TOO_LOW` or fails with that reason.
 */
export const qualityStage: Stage<z.output<typeof Options>> = {
  type: "quality",
  version: 1,
  description: "Rates from 0 to 1 how much of the document is in the text and how sound it is, with reasons.",
  ...stageOptions(Options, { on_low: "LOW_QUALITY_ACTION_" }),
  async run(document, { options }) {
    const quality = scoreDocument(document, options.weights as Partial<Record<PartName, number>>);
    if (options.minimum === 0 || quality.score >= options.minimum) return { quality };
    const why = quality.reasons.slice(0, 3).join(" ");
    const message =
      `The quality score ${quality.score} is below the wanted ${options.minimum}. ${why}`.trim();
    if (options.on_low === "fail") throw new StageFailure("QUALITY_TOO_LOW", message, false);
    return { quality, warnings: [...document.warnings, { code: "QUALITY_TOO_LOW", message }] };
  },
};
