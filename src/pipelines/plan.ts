import type { StageCatalogue, StageType } from "../stages/catalogue.ts";
import { checkpointKey } from "../stages/checkpoint-key.ts";
import { StageFailure, StageOptionsError } from "../stages/stage.ts";
import type { StageConfig } from "./model.ts";

/** A stage with its options checked and the key under which its output is kept. */
export interface PlannedStage {
  readonly position: number;
  readonly config: StageConfig;
  /** The type that runs: for a custom stage the one that the operator registered. */
  readonly type: string;
  readonly options: unknown;
  readonly key: string;
}

/**
 * The stages with their options checked, and the key of every output: a hash over all that makes it, so
 * that the keys are known before anything runs.
 * @throws StageFailure STAGE_UNAVAILABLE for a type or an option that is not there
 */
export function planStages(
  stages: readonly StageConfig[],
  sourceKey: string,
  catalogue: StageCatalogue,
): PlannedStage[] {
  let key = sourceKey;
  return stages.map((config, position) => {
    const { kind, raw } = kindOf(config, catalogue);
    const options = parseOptions(config, kind, raw);
    const named = config.type === "custom" ? `custom ${kind.type}` : kind.type;
    key = checkpointKey(named, kind.version, options, key, config.when);
    return { position, config, type: kind.type, options, key };
  });
}

function kindOf(config: StageConfig, catalogue: StageCatalogue): { kind: StageType; raw: unknown } {
  const { type, options } = config.options;
  const custom = config.type === "custom";
  const kind = custom ? catalogue.findCustom(String(type)) : catalogue.find(config.type);
  if (kind) return { kind, raw: custom ? options : config.options };
  const advice = custom
    ? "Start every worker with the --stages that have it, as the server."
    : "This version of the worker cannot run it yet: take it out of the pipeline, or use newer workers.";
  throw new StageFailure(
    "STAGE_UNAVAILABLE",
    `Stage ${config.name} has the type ${custom ? String(type) : config.type}, which this worker does not have. ${advice}`,
    // Another worker may have it.
    custom,
  );
}

function parseOptions(config: StageConfig, kind: StageType, raw: unknown): unknown {
  try {
    return kind.parseOptions(raw);
  } catch (error) {
    if (!(error instanceof StageOptionsError)) throw error;
    throw new StageFailure(
      "STAGE_UNAVAILABLE",
      `Stage ${config.name} has options that this worker cannot run with: ${error.message}`,
      false,
    );
  }
}
