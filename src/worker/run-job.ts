import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline as streamPipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { isConnectionLoss } from "../db/sql.ts";
import type { ExtractLimits } from "../extract/extractor.ts";
import type { RemoteDocuments } from "../jobs/documents/remote.ts";
import type { DocumentsService } from "../jobs/documents/service.ts";
import { LeaseLostError } from "../jobs/errors.ts";
import { newEvent } from "../jobs/job-events.ts";
import type { ClaimedJob, Completion, Leases, StageEnd } from "../jobs/leases.ts";
import { INLINE_RESULT_BYTES, type ResultFormat } from "../jobs/model.ts";
import { messageOf } from "../lib/errors.ts";
import type { SecretBox } from "../lib/secret-box.ts";
import { isStorable, storable } from "../lib/storable.ts";
import { type PlannedStage, planStages } from "../pipelines/plan.ts";
import { runPipeline, type StageReport, type Working } from "../pipelines/runner.ts";
import { openSecret } from "../pipelines/secrets.ts";
import type { StageCatalogue } from "../stages/catalogue.ts";
import { conditionFailure } from "../stages/condition.ts";
import { fetchStage } from "../stages/fetch.ts";
import { newDocument } from "../stages/host/document-file.ts";
import type { RenderedFiles, StageJob, StagePool } from "../stages/host/pool.ts";
import { type HttpOptions, httpStage } from "../stages/http.ts";
import { StageFailure, type WorkingDocument } from "../stages/stage.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { type AttemptWriter, createAttemptWriter } from "./attempt-writer.ts";
import { CancelOrdered, DatabaseLost, JobTimeout, jobErrorOf, WorkerStopping } from "./failure.ts";
import type { createHttpStage } from "./http-stage.ts";
import { createProgressWriter } from "./progress-writer.ts";
import { nextAttemptInMs } from "./retry.ts";
import { createSourceReceiver } from "./source.ts";

export interface RunJobDeps {
  leases: Leases;
  documents: DocumentsService;
  remote: RemoteDocuments;
  pool: StagePool;
  store: ObjectStore;
  passwords: SecretBox;
  runHttp: ReturnType<typeof createHttpStage>;
  /** Opens the secrets of pipelines. */
  secrets: SecretBox;
  /** The types of stages that this worker can run. */
  catalogue: StageCatalogue;
  metrics: Metrics;
  logger: Logger;
  /** Folder for the files of running attempts; inside the pool's. */
  tempDir: string;
  limits: ExtractLimits;
  /** Of an attempt whose job names none. */
  defaultTimeoutMs: number;
  /** Of a stage whose pipeline names none. */
  defaultStageTimeoutMs: number;
  /** Milliseconds, monotonic. */
  now: () => number;
  random: () => number;
}

/** How an attempt ended, for logs and metrics. */
export type Outcome = "completed" | "failed" | "retried" | "cancelled" | "released" | "lost";

/** Longest time that evaluating the condition of a stage may take. */
const CONDITION_MS = 5_000;

/** Checkpoints up to this size stand in the row of their stage. */
const INLINE_CHECKPOINT_BYTES = 256 * 1024;

const FORMAT_OF: Record<RenderedFiles["files"][number]["name"], ResultFormat> = {
  "text.txt": "TEXT",
  "document.md": "MARKDOWN",
  "document.json": "JSON",
  "chunks.ndjson": "CHUNKS",
};

/** What the runs of all stages have in common. */
type StageTask = Omit<
  StageJob,
  "stage" | "stageType" | "options" | "onProgress" | "onLog" | "signal" | "password"
>;

/** What an attempt under way shares with whoever started it. */
export interface AttemptControl {
  /** When the lease was last known to hold, by `now`. */
  readonly renewedAt: number;
  /** Fires when nothing is waited for any more: what is not written by then is left to the lease. */
  readonly over: AbortSignal;
  /** Ends it from outside: the reason says whether the job was cancelled, the lease was lost or the worker stops. */
  readonly stop: AbortController;
  /** The most resident memory that a document process had in it so far; 0 = not known. */
  peakMemoryBytes: number;
}

/** Runs one attempt to its end. Never throws. */
export function createJobRunner(deps: RunJobDeps) {
  const { leases, documents, pool, store, passwords, metrics, logger, limits } = deps;

  return async function runJob(claimed: ClaimedJob, control: AttemptControl): Promise<Outcome> {
    const { job, lease } = claimed;
    const { stop } = control;
    const folder = join(deps.tempDir, `job-${lease.token}`);
    const startedAt = performance.now();
    const timeoutMs = job.timeoutMs ?? deps.defaultTimeoutMs;
    const timer = setTimeout(() => stop.abort(new JobTimeout(timeoutMs)), timeoutMs);
    const { logger, now, random } = deps;
    const writer = createAttemptWriter({ leases, claimed, control, logger, now, random });
    let running: PlannedStage | null = null;
    let outcome: Outcome;
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const attempt = createAttempt(claimed, writer, folder, control, (stage) => {
        running = stage;
      });
      outcome = await attempt();
    } catch (thrown) {
      const error = stop.signal.aborted ? stop.signal.reason : thrown;
      outcome = await endAttempt(claimed, writer, error, running);
    } finally {
      clearTimeout(timer);
      await rm(folder, { recursive: true, force: true }).catch((error) => {
        logger.warn(
          { jobId: job.id, error: messageOf(error) },
          "the files of an attempt could not be removed",
        );
      });
    }
    const seconds = (performance.now() - startedAt) / 1000;
    metrics.jobSeconds.observe({ pipeline: job.pipelineName, outcome }, seconds);
    logger.info(
      { jobId: job.id, attempt: job.attempt, outcome, seconds: Number(seconds.toFixed(3)) },
      "attempt ended",
    );
    return outcome;
  };

  /** Writes down how an attempt ended that did not complete. */
  async function endAttempt(
    { job }: ClaimedJob,
    writer: AttemptWriter,
    error: unknown,
    stage: PlannedStage | null,
  ): Promise<Outcome> {
    try {
      if (error instanceof LeaseLostError) {
        metrics.leasesLost.inc({ cause: "refused" });
        return "lost";
      }
      if (error instanceof CancelOrdered) return (await writer.cancelled()) ? "cancelled" : "lost";
      if (error instanceof WorkerStopping) {
        if (await writer.release()) return "released";
        return (await writer.cancelled()) ? "cancelled" : "lost";
      }
      // A loss that was waited out in vain counts as an attempt: what loses the connection each time must come to an end.
      const known = isConnectionLoss(error) ? new DatabaseLost() : error;
      const jobError = jobErrorOf(known, stage?.config.name ?? null);
      if (jobError.reason === "INTERNAL")
        logger.error({ jobId: job.id, err: error }, "a stage failed unexpectedly");
      const retryInMs = nextAttemptInMs(
        {
          error: jobError,
          attempt: job.attempt,
          maxAttempts: job.maxAttempts,
          ...(known instanceof StageFailure && { retryAfterMs: known.retryAfterMs }),
        },
        deps.random,
      );
      const ended = await writer.fail({ error: jobError, retryInMs });
      if (ended) return ended === "FAILED" ? "failed" : "retried";
      // Nothing changed: either the lease is lost, or a cancel came first and is now confirmed.
      return (await writer.cancelled()) ? "cancelled" : "lost";
    } catch (failure) {
      // The lease runs out by itself, and the sweep takes the job back.
      logger.warn({ jobId: job.id, error: messageOf(failure) }, "the end of an attempt could not be written");
      return "lost";
    }
  }

  function createAttempt(
    claimed: ClaimedJob,
    writer: AttemptWriter,
    folder: string,
    control: AttemptControl,
    onStage: (stage: PlannedStage | null) => void,
  ): () => Promise<Outcome> {
    const { job, lease } = claimed;
    const { stop } = control;
    const { signal } = stop;
    const onPeak = (bytes: number): void => {
      control.peakMemoryBytes = Math.max(control.peakMemoryBytes, bytes);
    };
    const sourcePath = join(folder, "source");
    const password = claimed.password ? passwords.open(claimed.password, job.id).toString() : undefined;
    const obey = ({ cancel }: { cancel: boolean }): void => {
      if (cancel) stop.abort(new CancelOrdered());
      signal.throwIfAborted();
    };
    let source: WorkingDocument["source"] | null = null;

    const receiveSource = createSourceReceiver({
      documents,
      remote: deps.remote,
      persist: writer.read,
      documentId: job.documentId,
      path: sourcePath,
      objectKey: `sources/${job.id}/${lease.token}/source`,
    });
    const receive = ({ max_bytes, timeout } = fetchStage.parseOptions({}), until = signal) =>
      receiveSource({
        maxBytes: Math.min(max_bytes || Infinity, limits.maxInputBytes),
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
      { config }: PlannedStage,
      work: (until: AbortSignal) => Promise<T>,
    ): Promise<T> => {
      const timeoutMs = config.timeoutMs ?? deps.defaultStageTimeoutMs;
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(stageTimeout(config.name, timeoutMs)), timeoutMs);
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
      if (stage.type === "extract" && password !== undefined) return password;
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

    const holds = async ({ config }: PlannedStage, { path, warnings }: Working): Promise<boolean> => {
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
    };

    const jobPercent = (stage: PlannedStage, share: number): number =>
      Math.round(((stage.position + share) / claimed.stages.length) * 1000) / 10;

    const runStage = async (stage: PlannedStage, { path, warnings }: Working): Promise<string | null> => {
      if (stage.config.type === fetchStage.type) {
        await fetchSource(stage);
        return null;
      }
      const startedAt = performance.now();
      let outcome = "failed";
      const outputPath = join(folder, `stage-${stage.position}.json`);
      const timeoutMs = stage.config.timeoutMs ?? deps.defaultStageTimeoutMs;
      const task = {
        inputPath: path,
        warnings,
        source: await received(),
        outputPath,
        sourcePath,
        limits,
        onPeak,
      };
      try {
        if (stage.config.type === httpStage.type) await askService(stage, { ...task, timeoutMs });
        else await runInProcess(stage, { ...task, timeoutMs });
        outcome = "succeeded";
        return outputPath;
      } finally {
        metrics.stageSeconds.observe(
          { stage: stage.config.type, outcome },
          (performance.now() - startedAt) / 1000,
        );
      }
    };

    const runInProcess = async (stage: PlannedStage, task: StageTask): Promise<void> => {
      const own = stage.type === "extract" ? secretOf(stage) : undefined;
      const progress = createProgressWriter({
        write: async (update) =>
          obey(await writer.progress({ ...update, peakMemoryBytes: control.peakMemoryBytes })),
        onError: (error) => stop.abort(error),
        stage: stage.config.name,
        jobPercent: (share) => jobPercent(stage, share),
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
          ...(own === undefined ? {} : { password: own }),
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

    const endOf = async (report: StageReport): Promise<StageEnd> => {
      const { stage, status } = report;
      const base = {
        position: stage.position,
        status,
        error: report.error ? jobErrorOf(report.error, stage.config.name) : null,
        fromCheckpoint: false,
        // A stage that its condition left out is left out in the next attempt too; one that failed is tried again.
        checkpointKey: status === "SUCCEEDED" || (status === "SKIPPED" && !report.error) ? stage.key : null,
      };
      if (!report.outputPath || status !== "SUCCEEDED")
        return { ...base, checkpoint: null, checkpointObject: null };
      const { size } = await stat(report.outputPath);
      if (size <= INLINE_CHECKPOINT_BYTES) {
        return { ...base, checkpoint: await readFile(report.outputPath), checkpointObject: null };
      }
      const key = `checkpoints/${job.id}/${lease.token}/${stage.position}.json`;
      await store.put(key, createReadStream(report.outputPath));
      return { ...base, checkpoint: null, checkpointObject: key };
    };

    return async () => {
      const document = await writer.read(() => documents.find(job.documentId));
      const plan = planStages(
        claimed.stages,
        document.source === "URI" ? document.id : (document.sha256 ?? document.id),
        deps.catalogue,
      );
      const finished = await runPipeline(plan, {
        now: deps.now,
        random: deps.random,
        outputs: async () => {
          const checkpoints = await writer.read(() => leases.checkpoints(job.id));
          return new Map(checkpoints.map((checkpoint) => [checkpoint.position, checkpoint]));
        },
        holds,
        async wait(stage, { run, runs, waitMs, error }) {
          const why = jobErrorOf(error, stage.config.name);
          const text = `The stage failed (${why.reason}); run ${run} of ${runs} begins in ${(waitMs / 1_000).toFixed(1)} s.`;
          const log = newEvent({ type: "log", level: "warn", message: text, stage: stage.config.name });
          obey(await writer.progress({ share: 0, message: text, events: [log] }));
          // A lost lease, an order to cancel and the end of the worker all fire the signal.
          await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
        },
        async restore(position) {
          const checkpoint = await writer.read(() => leases.checkpoint(job.id, position));
          const path = join(folder, `restored-${position}.json`);
          if (checkpoint?.content) {
            await writeFile(path, checkpoint.content);
            return path;
          }
          if (!checkpoint?.objectKey) return null;
          const { body } = await store.get(checkpoint.objectKey, {}, signal);
          await streamPipeline(body, createWriteStream(path), { signal });
          return path;
        },
        async step({ ended, started, restored }) {
          signal.throwIfAborted();
          onStage(started);
          const stagesTotal = plan.length;
          const end = ended ? await endOf(ended) : null;
          const events = [
            ...restored.map(({ stage, skipped }) =>
              finishedEvent(stage, {
                status: skipped ? "SKIPPED" : "SUCCEEDED",
                durationMs: 0,
                fromCheckpoint: true,
              }),
            ),
            ...(ended && end
              ? [
                  finishedEvent(ended.stage, {
                    status: ended.status,
                    durationMs: Math.max(0, Math.round(ended.durationMs)),
                    fromCheckpoint: false,
                    ...(end.error ? { error: end.error } : {}),
                  }),
                ]
              : []),
            ...(started
              ? [
                  newEvent({
                    type: "stage_started",
                    name: started.config.name,
                    stageType: started.config.type,
                    index: started.position,
                    stagesTotal,
                    attempt: job.attempt,
                  }),
                ]
              : []),
          ];
          if (events.length === 0) return;
          const stagesDone = started
            ? started.position
            : ended?.status === "FAILED"
              ? ended.stage.position
              : stagesTotal;
          const answer = await writer
            .step({
              ended: end,
              started: started
                ? { position: started.position, name: started.config.name, type: started.config.type }
                : null,
              stagesDone,
              stagesTotal,
              restored: restored.length,
              peakMemoryBytes: control.peakMemoryBytes,
              events,
            })
            .catch(async (error) => {
              if (error instanceof LeaseLostError && end?.checkpointObject)
                await removeObjects([end.checkpointObject]);
              throw error;
            });
          obey(answer);
          if (ended?.status === "FAILED") onStage(ended.stage);
        },
        run: runStage,
      });
      return await complete(finished);
    };

    async function complete({ path, warnings }: Working): Promise<Outcome> {
      const output = join(folder, "output");
      await mkdir(output);
      const rendered = await pool.render({
        documentPath: path ?? (await sourceAlone()),
        warnings,
        folder: output,
        timeoutMs: deps.defaultStageTimeoutMs,
        onPeak,
        signal,
      });
      const result = await storeResult(rendered);
      const stored = result.contents.flatMap(({ objectKey }) => objectKey ?? []);
      if (signal.aborted) await removeObjects(stored);
      signal.throwIfAborted();
      // When this throws nobody knows whether the result stands, so its objects stay.
      const done = await writer.complete(result);
      if (!done) {
        await removeObjects(stored);
        return (await writer.cancelled()) ? "cancelled" : "lost";
      }
      await removeObjects(done.orphans);
      return "completed";
    }

    /** A document of which no stage that ran has said anything: all others were left out. */
    async function sourceAlone(): Promise<string> {
      const path = join(folder, "source.json");
      await writeFile(path, JSON.stringify(newDocument(await received())), { mode: 0o600 });
      return path;
    }

    /** Nothing refers to them any more; one that cannot be removed costs space and nothing else. */
    async function removeObjects(keys: readonly string[]): Promise<void> {
      for (const key of keys) {
        await store.delete(key).catch((error) => {
          logger.warn({ jobId: job.id, key, error: messageOf(error) }, "an object could not be removed");
        });
      }
    }

    /** Small formats go into rows, large ones into the object store, under the token of this attempt. */
    async function storeResult(rendered: RenderedFiles): Promise<Completion> {
      const contents = await Promise.all(
        rendered.files.map(async (file) => {
          const format = FORMAT_OF[file.name];
          const base = { format, sizeBytes: file.size, sha256: file.sha256 };
          if (file.size <= INLINE_RESULT_BYTES) {
            return { ...base, ...inRow(await readFile(file.path, "utf8")), objectKey: null };
          }
          const objectKey = `results/${job.id}/${lease.token}/${file.name}`;
          await store.put(objectKey, createReadStream(file.path));
          return { ...base, content: null, objectKey };
        }),
      );
      const text = contents.find(({ format }) => format === "TEXT");
      if (!text) throw new Error("the rendered files lack the text");
      return {
        extractedText: text.content,
        metadata: rendered.metadata,
        qualityScore: rendered.qualityScore ?? null,
        outputUri: text.objectKey ? store.uriOf(text.objectKey) : null,
        sizeBytes: text.sizeBytes,
        sha256: text.sha256,
        // The text of a small result stands in the result's own row.
        contents: contents.map((item) => (item.format === "TEXT" ? { ...item, content: null } : item)),
      };
    }
  }
}

function stageTimeout(name: string, timeoutMs: number): StageFailure {
  return new StageFailure(
    "STAGE_TIMEOUT",
    `Stage ${name} was not done after ${timeoutMs / 1_000} s. Give the stage a longer timeout.`,
    true,
  );
}

/** A text as its row holds it; size and hash are those of what is held. */
function inRow(text: string): { content: string; sizeBytes: number; sha256: string } | { content: string } {
  if (isStorable(text)) return { content: text };
  const content = storable(text);
  return {
    content,
    sizeBytes: Buffer.byteLength(content),
    sha256: createHash("sha256").update(content).digest("hex"),
  };
}

function finishedEvent(
  stage: PlannedStage,
  end: {
    status: StageReport["status"];
    durationMs: number;
    fromCheckpoint: boolean;
    error?: ReturnType<typeof jobErrorOf>;
  },
) {
  return newEvent({
    type: "stage_finished",
    name: stage.config.name,
    stageType: stage.config.type,
    index: stage.position,
    ...end,
  });
}
