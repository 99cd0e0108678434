import { checkpointKey } from "../stages/checkpoint-key.ts";
import { fetchStage } from "../stages/fetch.ts";
import { findStage } from "../stages/registry.ts";
import { StageFailure, StageOptionsError } from "../stages/stage.ts";
import type { StageConfig } from "./model.ts";

/** A stage with its options checked and the key under which its output is kept. */
export interface PlannedStage {
  readonly position: number;
  readonly config: StageConfig;
  readonly options: unknown;
  readonly key: string;
}

/** What became of one stage. */
export interface StageReport {
  readonly stage: PlannedStage;
  readonly status: "SUCCEEDED" | "FAILED" | "SKIPPED";
  readonly durationMs: number;
  readonly error: unknown;
  /** File with the document as it left the stage; null when the stage left none. */
  readonly outputPath: string | null;
}

/** What the runner needs from whoever holds the job. */
export interface RunnerPorts {
  /** Keys of the outputs that earlier attempts left, by position. */
  keys(): Promise<ReadonlyMap<number, string>>;
  /** Brings the output of the stage at `position` back as a file; null when that stage left none. */
  restore(position: number): Promise<string | null>;
  /** Told before the first stage, between two stages and after the last; commits what it is told. */
  step(step: {
    ended: StageReport | null;
    started: PlannedStage | null;
    restored: readonly PlannedStage[];
  }): Promise<void>;
  /** Runs one stage; answers the file it wrote, or null. */
  run(stage: PlannedStage, inputPath: string | null): Promise<string | null>;
  now(): number;
}

/**
 * The stages with their options checked, and the key of every output: a hash over all that makes it, so
 * that the keys are known before anything runs.
 * @throws StageFailure when a type is unknown or an option is at fault
 */
export function planStages(stages: readonly StageConfig[], sourceKey: string): PlannedStage[] {
  let key = sourceKey;
  return stages.map((config, position) => {
    const stage = config.type === fetchStage.type ? fetchStage : findStage(config.type);
    if (!stage) {
      throw new StageFailure(
        "STAGE_FAILED",
        `Stage ${config.name} has the type ${config.type}, which this worker does not know. Start workers of one version, with the same --stages.`,
        false,
      );
    }
    const options = parseOptions(config, stage);
    key = checkpointKey(config.type, stage.version, options, key);
    return { position, config, options, key };
  });
}

function parseOptions(config: StageConfig, stage: { parseOptions(raw: unknown): unknown }): unknown {
  try {
    return stage.parseOptions(config.options);
  } catch (error) {
    if (!(error instanceof StageOptionsError)) throw error;
    throw new StageFailure(
      "STAGE_FAILED",
      `The options of stage ${config.name} are at fault: ${error.message}`,
      false,
    );
  }
}

/**
 * Runs the stages in order, from the first whose output is not there yet. A stage that fails ends the run,
 * unless its policy is SKIP: then the next one works on what came before.
 * @returns the file with the finished document, null when no stage wrote one
 * @throws what a stage threw, after its failure was committed
 */
export async function runPipeline(plan: readonly PlannedStage[], ports: RunnerPorts): Promise<string | null> {
  const keys = await ports.keys();
  const resumeAt = plan.findIndex((stage) => keys.get(stage.position) !== stage.key);
  const first = resumeAt === -1 ? plan.length : resumeAt;
  let document = first > 0 ? await ports.restore(first - 1) : null;
  let ended: StageReport | null = null;
  let restored = plan.slice(0, first);
  for (const stage of plan.slice(first)) {
    await ports.step({ ended, started: stage, restored });
    restored = [];
    const startedAt = ports.now();
    const report = (
      status: StageReport["status"],
      outputPath: string | null,
      error: unknown,
    ): StageReport => ({
      stage,
      status,
      durationMs: ports.now() - startedAt,
      error,
      outputPath,
    });
    try {
      const output = await ports.run(stage, document);
      ended = report("SUCCEEDED", output, null);
      document = output ?? document;
    } catch (error) {
      if (stage.config.onFailure !== "SKIP" || !isStageFault(error)) {
        if (isStageFault(error))
          await ports.step({ ended: report("FAILED", null, error), started: null, restored });
        throw error;
      }
      ended = report("SKIPPED", null, error);
    }
  }
  await ports.step({ ended, started: null, restored });
  return document;
}

/** True for a failure of the stage or its document, false for an order to stop or a lost lease. */
function isStageFault(error: unknown): boolean {
  return error instanceof Error && (error.name === "DocumentFault" || error.name === "StageFailure");
}
