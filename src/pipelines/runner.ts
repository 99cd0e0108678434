import type { Warning } from "../extract/model.ts";
import { backoffMs } from "../lib/backoff.ts";
import { SluiceError } from "../lib/errors.ts";
import { DEFAULT_RETRY } from "./model.ts";
import type { PlannedStage } from "./plan.ts";

/** What became of one stage. */
export interface StageReport {
  readonly stage: PlannedStage;
  readonly status: "SUCCEEDED" | "FAILED" | "SKIPPED";
  readonly durationMs: number;
  /** Why it failed, or was skipped for having failed; null when it succeeded, or its condition left it out. */
  readonly error: unknown;
  /** File with the document as it left the stage; null when the stage left none. */
  readonly outputPath: string | null;
}

/** What an earlier attempt left of a stage. */
export interface StageOutput {
  readonly key: string;
  /** Its condition left it out: there is no output, and none is wanted. */
  readonly skipped: boolean;
}

/** A stage whose outcome an earlier attempt has left. */
export interface RestoredStage {
  readonly stage: PlannedStage;
  readonly skipped: boolean;
}

/** A document between two stages. */
export interface Working {
  /** The file that the last stage wrote; null while none has. */
  readonly path: string | null;
  /** Warnings about stages that were skipped since, which stand in no file yet. */
  readonly warnings: readonly Warning[];
}

/** A further run of a stage that is to come. */
export interface ComingRun {
  /** Counts from 1. */
  readonly run: number;
  readonly runs: number;
  readonly waitMs: number;
  readonly error: unknown;
}

/** What the runner needs from whoever holds the job. */
export interface RunnerPorts {
  /** What earlier attempts left, by position. */
  outputs(): Promise<ReadonlyMap<number, StageOutput>>;
  /** Brings the output of the stage at `position` back as a file; null when that stage left none. */
  restore(position: number): Promise<string | null>;
  /** Told before the first stage, between two stages and after the last; commits what it is told. */
  step(step: {
    ended: StageReport | null;
    started: PlannedStage | null;
    restored: readonly RestoredStage[];
  }): Promise<void>;
  /** Whether the condition of a stage that has one is met. */
  holds(stage: PlannedStage, document: Working): Promise<boolean>;
  /** Runs one stage; answers the file it wrote, or null. */
  run(stage: PlannedStage, document: Working): Promise<string | null>;
  /** Waits before a further run. Rejects at once when the attempt is to end. */
  wait(stage: PlannedStage, coming: ComingRun): Promise<void>;
  now(): number;
  /** Uniform in [0, 1). */
  random(): number;
}

/**
 * Runs the stages in order, from the first whose output is not there yet. A stage whose condition is not met is left
 * out. One that fails is run again as its policy says; then it ends the run or, if it is to be skipped, leaves a warning,
 * and the next stage works on what came before.
 * @returns the finished document
 * @throws what a stage threw, after its failure was committed
 */
export async function runPipeline(plan: readonly PlannedStage[], ports: RunnerPorts): Promise<Working> {
  const { resumeAt, ...from } = await resume(plan, ports);
  let { restored } = from;
  let document: Working = { path: from.path, warnings: [] };
  let ended: StageReport | null = null;
  for (const stage of plan.slice(resumeAt)) {
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
      if (stage.config.when !== undefined && !(await ports.holds(stage, document))) {
        ended = report("SKIPPED", null, null);
        continue;
      }
      const output = await runWithRetries(stage, document, ports);
      ended = report("SUCCEEDED", output, null);
      if (output !== null) document = { path: output, warnings: [] };
    } catch (error) {
      if (!isStageFault(error)) throw error;
      if (stage.config.onFailure !== "SKIP") {
        await ports.step({ ended: report("FAILED", null, error), started: null, restored });
        throw error;
      }
      ended = report("SKIPPED", null, error);
      document = { ...document, warnings: [...document.warnings, skippedWarning(stage, error)] };
    }
  }
  await ports.step({ ended, started: null, restored });
  return document;
}

/** Where the run goes on, with what is there already. */
async function resume(plan: readonly PlannedStage[], ports: RunnerPorts) {
  const outputs = await ports.outputs();
  const missing = plan.findIndex((stage) => outputs.get(stage.position)?.key !== stage.key);
  const resumeAt = missing === -1 ? plan.length : missing;
  const restored: readonly RestoredStage[] = plan
    .slice(0, resumeAt)
    .map((stage) => ({ stage, skipped: outputs.get(stage.position)?.skipped ?? false }));
  const last = restored.findLast(({ skipped }) => !skipped);
  return { resumeAt, restored, path: last ? await ports.restore(last.stage.position) : null };
}

async function runWithRetries(
  stage: PlannedStage,
  document: Working,
  ports: RunnerPorts,
): Promise<string | null> {
  const policy = { ...DEFAULT_RETRY, ...stage.config.retry };
  for (let run = 1; ; run++) {
    try {
      return await ports.run(stage, document);
    } catch (error) {
      if (run >= policy.maxAttempts || !mayPass(error)) throw error;
      const { initialBackoffMs: baseMs, maxBackoffMs: capMs, multiplier } = policy;
      const asked = (error as { retryAfterMs?: number }).retryAfterMs ?? 0;
      const waitMs = Math.max(
        backoffMs(run, { baseMs, capMs, multiplier, random: ports.random }),
        Math.min(asked, capMs),
      );
      await ports.wait(stage, { run: run + 1, runs: policy.maxAttempts, waitMs, error });
    }
  }
}

/** True for a failure of the stage or its document, false for an order to stop or a lost lease. */
function isStageFault(error: unknown): error is Error & { reason: string } {
  return error instanceof Error && (error.name === "DocumentFault" || error.name === "StageFailure");
}

/** True for a failure that another run may not have; a document at fault stays so. */
function mayPass(error: unknown): boolean {
  if (error instanceof SluiceError) return error.kind === "unavailable";
  return isStageFault(error) && (error as { retryable?: boolean }).retryable === true;
}

function skippedWarning({ config }: PlannedStage, { reason, message }: Error & { reason: string }): Warning {
  return {
    code: "STAGE_SKIPPED",
    message: `Stage ${config.name} failed and was skipped (${reason}): ${message}`,
  };
}
