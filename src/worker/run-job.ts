import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isConnectionLoss } from "../db/sql.ts";
import type { RemoteDocuments } from "../jobs/documents/remote.ts";
import type { DocumentsService } from "../jobs/documents/service.ts";
import { LeaseLostError } from "../jobs/errors.ts";
import { newEvent } from "../jobs/job-events.ts";
import type { ClaimedJob, Leases, StageEnd } from "../jobs/leases.ts";
import { messageOf } from "../lib/errors.ts";
import type { SecretBox } from "../lib/secret-box.ts";
import { type PlannedStage, planStages } from "../pipelines/plan.ts";
import { type RunnerPorts, runPipeline, type StageReport, type Working } from "../pipelines/runner.ts";
import type { StageCatalogue } from "../stages/catalogue.ts";
import { newDocument } from "../stages/host/document-file.ts";
import { StageFailure } from "../stages/stage.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { Logger } from "../telemetry/logger.ts";
import { type AttemptWriter, createAttemptWriter } from "./attempt-writer.ts";
import { keepOutput, NO_OUTPUT, restoreOutput } from "./checkpoints.ts";
import { CancelOrdered, DatabaseLost, JobTimeout, jobErrorOf, WorkerStopping } from "./failure.ts";
import { nextAttemptInMs } from "./retry.ts";
import { createSourceReceiver } from "./source.ts";
import { createStageRuns, type StageRunsDeps } from "./stage-runs.ts";
import { stepEvents } from "./step-events.ts";
import { storeResult } from "./stored-result.ts";

export interface RunJobDeps extends StageRunsDeps {
  leases: Leases;
  documents: DocumentsService;
  remote: RemoteDocuments;
  store: ObjectStore;
  passwords: SecretBox;
  /** The types of stages that this worker can run. */
  catalogue: StageCatalogue;
  logger: Logger;
  /** Folder for the files of running attempts; inside the pool's. */
  tempDir: string;
  /** Of an attempt whose job names none. */
  defaultTimeoutMs: number;
  /** Milliseconds, monotonic. */
  now: () => number;
  random: () => number;
}

/** How an attempt ended, for logs and metrics. */
export type Outcome = "completed" | "failed" | "retried" | "cancelled" | "released" | "lost";

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
  const { leases, documents, pool, store, passwords, metrics, logger } = deps;

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
    const obey = ({ cancel }: { cancel: boolean }): void => {
      if (cancel) stop.abort(new CancelOrdered());
      signal.throwIfAborted();
    };
    const sourcePath = join(folder, "source");
    const stages = createStageRuns(deps, {
      job,
      stagesTotal: claimed.stages.length,
      folder,
      sourcePath,
      receiveSource: createSourceReceiver({
        documents,
        remote: deps.remote,
        persist: writer.read,
        documentId: job.documentId,
        path: sourcePath,
        objectKey: `sources/${job.id}/${lease.token}/source`,
      }),
      password: claimed.password ? passwords.open(claimed.password, job.id).toString() : undefined,
      signal,
      onPeak,
      writeProgress: async (progress) =>
        obey(await writer.progress({ ...progress, peakMemoryBytes: control.peakMemoryBytes })),
      stop: (error) => stop.abort(error),
    });

    const endOf = async (report: StageReport): Promise<StageEnd> => {
      const { stage, status } = report;
      const output =
        report.outputPath && status === "SUCCEEDED"
          ? await keepOutput(store, lease, stage.position, report.outputPath)
          : NO_OUTPUT;
      return {
        position: stage.position,
        status,
        error: report.error ? jobErrorOf(report.error, stage.config.name) : null,
        fromCheckpoint: false,
        // A stage that its condition left out is left out in the next attempt too; one that failed is tried again.
        checkpointKey: status === "SUCCEEDED" || (status === "SKIPPED" && !report.error) ? stage.key : null,
        ...output,
      };
    };

    const step =
      (stagesTotal: number): RunnerPorts["step"] =>
      async ({ ended, started, restored }) => {
        signal.throwIfAborted();
        onStage(started);
        const end = ended ? await endOf(ended) : null;
        const { attempt } = job;
        const error = end?.error ?? null;
        const events = stepEvents({ ended, error, started, restored, stagesTotal, attempt });
        if (events.length === 0) return;
        const failedAt = ended?.status === "FAILED" ? ended.stage.position : null;
        const answer = await writer
          .step({
            ended: end,
            started: started
              ? { position: started.position, name: started.config.name, type: started.config.type }
              : null,
            stagesDone: started?.position ?? failedAt ?? stagesTotal,
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
        restore: async (position) => {
          const checkpoint = await writer.read(() => leases.checkpoint(job.id, position));
          return await restoreOutput(store, checkpoint, folder, signal);
        },
        async wait(stage, { run, runs, waitMs, error }) {
          const why = jobErrorOf(error, stage.config.name);
          const text = `The stage failed (${why.reason}); run ${run} of ${runs} begins in ${(waitMs / 1_000).toFixed(1)} s.`;
          const log = newEvent({ type: "log", level: "warn", message: text, stage: stage.config.name });
          obey(await writer.progress({ share: 0, message: text, events: [log] }));
          // A lost lease, an order to cancel and the end of the worker all fire the signal.
          await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
        },
        step: step(plan.length),
        holds: stages.holds,
        run: stages.run,
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
      const result = await storeResult(store, lease, rendered);
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
      await writeFile(path, JSON.stringify(newDocument(await stages.received())), { mode: 0o600 });
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
  }
}
