import { join } from "node:path";
import type { ExtractLimits } from "../extract/extractor.ts";
import type { Progress } from "../jobs/leases.ts";
import type { Job } from "../jobs/model.ts";
import type { SecretBox } from "../lib/secret-box.ts";
import type { PlannedStage } from "../pipelines/plan.ts";
import type { Working } from "../pipelines/runner.ts";
import { openSecret } from "../pipelines/secrets.ts";
import { conditionFailure } from "../stages/condition.ts";
import { fetchStage } from "../stages/fetch.ts";
import type { StageJob, StagePool } from "../stages/host/pool.ts";
import { type HttpOptions, httpStage } from "../stages/http.ts";
import { StageFailure, type WorkingDocument } from "../stages/stage.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { createHttpStage } from "./http-stage.ts";
import { createProgressWriter } from "./progress-writer.ts";
import type { createSourceReceiver } from "./source.ts";

/** Longest time that evaluating the condition of a stage may take. */
const CONDITION_MS = 5_000;

export interface StageRunsDeps {
  readonly pool: StagePool;
  readonly runHttp: ReturnType<typeof createHttpStage>;
  /** Opens the secrets of pipelines. */
  readonly secrets: SecretBox;
  readonly metrics: Metrics;
  readonly limits: ExtractLimits;
  /** Of a stage whose pipeline names none. */
  readonly defaultStageTimeoutMs: number;
}

/** The attempt that the stages are run for. */
export interface StageRunsOf {
  readonly job: Job;
  /** Stages of its pipeline. */
  readonly stagesTotal: number;
  /** For the files of the attempt. */
  readonly folder: string;
  /** Where `receiveSource` puts the document. */
  readonly sourcePath: string;
  readonly receiveSource: ReturnType<typeof createSourceReceiver>;
  /** Of the document, as the job brought it. */
  readonly password: string | undefined;
  readonly signal: AbortSignal;
  readonly onPeak: (bytes: number) => void;
  /** Writes progress down. A rejection ends the attempt through `stop`. */
  readonly writeProgress: (progress: Progress) => Promise<void>;
  readonly stop: (error: unknown) => void;
}

/** What the runs of all stages have in common. */
type StageTask = Omit<
  StageJob,
  "stage" | "stageType" | "options" | "onProgress" | "onLog" | "signal" | "password"
>;

export type StageRuns = ReturnType<typeof createStageRuns>;

/** Runs the stages of one attempt, each where it belongs: in this process, in a document process, or at a service. */
export function createStageRuns(deps: StageRunsDeps, of: StageRunsOf) {
  const { pool, limits, defaultStageTimeoutMs } = deps;
  const { job, folder, sourcePath, signal, onPeak } = of;
  let source: WorkingDocument["source"] | null = null;

  const timeoutOf = ({ config }: PlannedStage): number => config.timeoutMs ?? defaultStageTimeoutMs;

  const receive = ({ max_bytes, timeout } = fetchStage.parseOptions({}), until = signal) =>
    of.receiveSource({
      maxBytes: Math.min(max_bytes || Infinity, limits.maxInputBytes),
      bySetting: max_bytes === 0 || max_bytes > limits.maxInputBytes,
      timeoutMs: timeout,
      signal: until,
    });

  /** A resumed attempt skips the fetch stage, and a pipeline may have none. */
  const received = async (): Promise<WorkingDocument["source"]> => {
    source ??= await receive();
    return source;
  };

  /** What this process does itself of a stage ends at the timeout of the stage. */
  const withDeadline = async <T>(
    stage: PlannedStage,
    work: (until: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(stageTimeout(stage.config.name, timeoutOf(stage))),
      timeoutOf(stage),
    );
    try {
      return await work(AbortSignal.any([signal, late.signal]));
    } finally {
      clearTimeout(timer);
    }
  };

  const fetchSource = async (stage: PlannedStage): Promise<void> => {
    const wanted = stage.options as ReturnType<typeof fetchStage.parseOptions>;
    source = await withDeadline(stage, (until) => receive(wanted, until));
  };

  /** The password of a stage's documents, or the secret that signs its requests; the job's goes before the pipeline's. */
  const secretOf = (stage: PlannedStage): string | undefined => {
    if (stage.type === "extract" && of.password !== undefined) return of.password;
    try {
      return openSecret(deps.secrets, job.pipelineId, stage.config);
    } catch {
      throw new StageFailure(
        "STAGE_FAILED",
        `The secret of stage ${stage.config.name} cannot be opened with the master key of this worker. Give it the key of the server, or set the secret again.`,
        false,
      );
    }
  };

  const runInProcess = async (stage: PlannedStage, task: StageTask): Promise<void> => {
    const password = stage.type === "extract" ? secretOf(stage) : undefined;
    const progress = createProgressWriter({
      write: of.writeProgress,
      onError: of.stop,
      stage: stage.config.name,
      jobPercent: (share) => Math.round(((stage.position + share) / of.stagesTotal) * 1000) / 10,
    });
    try {
      await pool.run({
        ...task,
        stage: stage.config.name,
        stageType: stage.type,
        options: stage.options,
        onProgress: progress.progress,
        onLog: progress.log,
        signal,
        ...(password === undefined ? {} : { password }),
      });
    } finally {
      await progress.flush();
    }
  };

  const askService = async (stage: PlannedStage, task: StageTask): Promise<void> => {
    const { config, options, position } = stage;
    await withDeadline(stage, (until) =>
      deps.runHttp({
        ...task,
        options: options as HttpOptions,
        stage: config.name,
        secret: secretOf(stage),
        jobId: job.id,
        // The job keeps its version of the pipeline, so place and job say which request it is.
        messageId: `${job.id}_${position}`,
        folder,
        signal: until,
      }),
    );
  };

  return {
    received,

    /** Whether the condition of the stage is met. */
    async holds({ config }: PlannedStage, { path, warnings }: Working): Promise<boolean> {
      try {
        return await pool.holds({
          expression: config.when ?? "true",
          inputPath: path,
          source: await received(),
          warnings,
          timeoutMs: CONDITION_MS,
          onPeak,
          signal,
        });
      } catch (error) {
        if (error instanceof StageFailure && error.reason === "STAGE_TIMEOUT")
          throw conditionFailure(`It took longer than ${CONDITION_MS / 1_000} s.`);
        throw error;
      }
    },

    /** Runs the stage once. The file that it wrote; null when it leaves none. */
    async run(stage: PlannedStage, { path, warnings }: Working): Promise<string | null> {
      if (stage.config.type === fetchStage.type) {
        await fetchSource(stage);
        return null;
      }
      const startedAt = performance.now();
      let outcome = "failed";
      const outputPath = join(folder, `stage-${stage.position}.json`);
      const task = {
        inputPath: path,
        warnings,
        source: await received(),
        outputPath,
        sourcePath,
        limits,
        timeoutMs: timeoutOf(stage),
        onPeak,
      };
      try {
        if (stage.config.type === httpStage.type) await askService(stage, task);
        else await runInProcess(stage, task);
        outcome = "succeeded";
        return outputPath;
      } finally {
        deps.metrics.stageSeconds.observe(
          { stage: stage.config.type, outcome },
          (performance.now() - startedAt) / 1000,
        );
      }
    },
  };
}

function stageTimeout(name: string, timeoutMs: number): StageFailure {
  return new StageFailure(
    "STAGE_TIMEOUT",
    `Stage ${name} was not done after ${timeoutMs / 1_000} s. Give the stage a longer timeout.`,
    true,
  );
}
