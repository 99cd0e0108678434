import { fetchStage } from "./fetch.ts";
import { httpStage } from "./http.ts";
import { findStage, stageTypes } from "./registry.ts";
import type { Stage } from "./stage.ts";

/** A type of stage as pipelines see it: how its options are checked, not how it runs. */
export type StageType = Pick<Stage, "type" | "version" | "description" | "parseOptions" | "optionsSchema">;

/** The types of stages that there are in one process. */
export interface StageCatalogue {
  /** The built-in type of that name, if it can run. */
  find(type: string): StageType | undefined;
  /** The operator's own type of that name. */
  findCustom(type: string): StageType | undefined;
  /** All, by name. */
  list(): readonly (StageType & { readonly isCustom: boolean })[];
}

/** Whether a stage of the operator's may not be called so. */
export function isBuiltInType(type: string): boolean {
  return builtIn(type) !== undefined;
}

function builtIn(type: string): StageType | undefined {
  return WORKER_STAGES.find((stage) => stage.type === type) ?? findStage(type);
}

/** Those that a worker runs itself, since they need the network. */
const WORKER_STAGES: readonly StageType[] = [fetchStage, httpStage];

/** @param custom the operator's own types */
export function createStageCatalogue({
  custom = [],
}: {
  custom?: readonly StageType[];
} = {}): StageCatalogue {
  const own = new Map(custom.map((stage) => [stage.type, stage]));
  return {
    find: builtIn,
    findCustom: (type) => own.get(type),
    list: () =>
      [
        ...[...WORKER_STAGES, ...stageTypes()].map((stage) => ({ ...stage, isCustom: false })),
        ...custom.map((stage) => ({ ...stage, isCustom: true })),
      ].sort((a, b) => (a.type < b.type ? -1 : 1)),
  };
}
