import type { Stage } from "./stage.ts";

const STAGES: readonly Stage[] = [];

/** The built-in stages that run in document processes, in the order of the default pipeline. */
export function stageTypes(): readonly Stage[] {
  return STAGES;
}

/** The stage of that type, if there is one. */
export function findStage(type: string): Stage | undefined {
  return STAGES.find((stage) => stage.type === type);
}
