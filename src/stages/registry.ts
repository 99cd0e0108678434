import { chunkStage } from "./chunk.ts";
import { detectStage } from "./detect.ts";
import { enrichStage } from "./enrich.ts";
import { extractStage } from "./extract.ts";
import { normalizeStage } from "./normalize.ts";
import { qualityStage } from "./quality.ts";
import { redactStage } from "./redact.ts";
import type { Stage } from "./stage.ts";

const STAGES: readonly Stage[] = [
  detectStage,
  extractStage,
  normalizeStage,
  enrichStage,
  chunkStage,
  qualityStage,
  redactStage,
];

/** The built-in stages that run in document processes, those of the default pipeline first, in its order; `fetch` is not one. */
export function stageTypes(): readonly Stage[] {
  return STAGES;
}

/** The stage of that type, if there is one. */
export function findStage(type: string): Stage | undefined {
  return STAGES.find((stage) => stage.type === type);
}
