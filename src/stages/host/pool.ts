import type { ExtractLimits } from "../../extract/extractor.ts";
import type { Lifecycle } from "../../lib/lifecycle.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { createCrew, stoppingFailure } from "./crew.ts";
import type {
  AnswerTask,
  ComposeTask,
  ConditionAnswer,
  ConditionTask,
  RenderAnswer,
  RenderTask,
  RunAnswer,
  RunTask,
  StageSummary,
  Task,
  TaskInput,
} from "./protocol.ts";
import { runTask, type Watch } from "./run-task.ts";

/** One stage over one document; files are named, content stays out of the worker. */
export interface StageJob extends TaskInput {
  /** The name of the stage in its pipeline. */
  stage: string;
  stageType: string;
  /** As `Stage.parseOptions` returned them; JSON. */
  options: unknown;
  /** Where the stage's document goes; inside the pool's `tempDir`. Only whole when `run` resolved. */
  outputPath: string;
  /** The source bytes, inside `tempDir`. */
  sourcePath: string;
  password?: string;
  limits: ExtractLimits;
  timeoutMs: number;
  onProgress(share: number, message?: string): void;
  onLog(level: "info" | "warn", message: string): void;
  /** Told whenever the process that runs it has more resident memory than before, in bytes. */
  onPeak(bytes: number): void;
  signal: AbortSignal;
}

export interface StageOutcome {
  outputBytes: number;
  durationMs: number;
  peakRssBytes: number;
  summary: StageSummary;
}

/** A question about a document. */
export type ConditionRequest = Omit<ConditionTask, "kind"> & Quiet;

/** Whom to tell, and when to end, in tasks that tell no progress. */
interface Quiet {
  timeoutMs: number;
  onPeak(bytes: number): void;
  signal: AbortSignal;
}

export type ComposeRequest = Omit<ComposeTask, "kind"> & Quiet;
export type AnswerRequest = Omit<AnswerTask, "kind"> & Quiet;

export type RenderRequest = Omit<RenderTask, "kind"> & Quiet;

/** The formats of a result as files (text.txt, document.md, document.json, chunks.ndjson) and its metadata. */
export type RenderedFiles = RenderAnswer;

export interface StagePoolOptions {
  /** Children, so documents worked on at a time. */
  size: number;
  /** Resident memory at which a child is killed; half of it after a document has it replaced. */
  maxRssBytes: number;
  /** Longest silence of a stage. */
  idleProgressTimeoutMs: number;
  maxDocumentsPerProcess: number;
  /** V8's heap of one child, in MiB. */
  oldSpaceMb: number;
  /** Modules with stages of the operator's. */
  customModules?: readonly string[];
  /** Folders and files with keys and documents, closed to the modules although they may lie beside them. */
  closedPaths?: readonly string[];
  /** Children that wait for their first document load what documents need, so that it does not wait for that. */
  warmUp: boolean;
  /** Holds every path of every job; children can read and write nothing else. */
  tempDir: string;
  /** PATH for finding `unshare` and `setpriv`; children see no other variable. */
  path?: string;
  logger: Logger;
}

/**
 * Runs stages in child processes: warm, one document at a time, without network where the system allows it,
 * killed when they outgrow their memory or time. Whatever a document does, the pool serves the next one. A child that has run
 * a stage of the operator's gets no further document.
 */
export interface StagePool extends Lifecycle {
  /**
   * Runs one stage; waits for a free child first.
   * @throws DocumentFault when the document is at fault
   * @throws StageFailure PARSER_CRASHED, PARSER_OUT_OF_MEMORY, PARSER_TIMEOUT (silent for too long),
   *   STAGE_TIMEOUT (`timeoutMs` over), STAGE_FAILED, or the stage's own
   * @throws the signal's reason when it fires; the child is then already gone
   */
  run(job: StageJob): Promise<StageOutcome>;
  /** Whether the expression is true of the document. Throws like `run`, and CONDITION_FAILED when it cannot be told. */
  holds(request: ConditionRequest): Promise<boolean>;
  /** Writes the request of an http stage; throws like `run`. */
  compose(request: ComposeRequest): Promise<void>;
  /** Takes what a service answered into the document; throws like `run`. */
  takeAnswer(request: AnswerRequest): Promise<void>;
  /** Writes the formats of a finished document; throws like `run`. */
  render(request: RenderRequest): Promise<RenderedFiles>;
  /** Ids of the children that live now. */
  pids(): number[];
}

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export function createStagePool(options: StagePoolOptions): StagePool {
  const crew = createCrew({
    ...options,
    customModules: options.customModules ?? [],
    closedPaths: options.closedPaths ?? [],
    path: options.path ?? DEFAULT_PATH,
  });

  async function perform<Answer>(task: Task, name: string, watch: Watch) {
    watch.signal.throwIfAborted();
    const child = await crew.acquire(watch.signal);
    try {
      watch.signal.throwIfAborted();
      return await runTask<Answer>(child, task, name, watch);
    } catch (error) {
      throw crew.stopping() && !watch.signal.aborted ? stoppingFailure() : error;
    } finally {
      crew.release(child);
    }
  }

  async function quietly<Answer>(
    kind: Exclude<Task["kind"], "run">,
    { timeoutMs, onPeak, signal, ...request }: Quiet,
  ): Promise<Answer> {
    const watch = { ...options, timeoutMs, onProgress: () => {}, onLog: () => {}, onPeak, signal };
    const name = "stage" in request ? String(request.stage) : kind;
    return (await perform<Answer>({ kind, ...request } as Task, name, watch)).answer;
  }

  return {
    start: crew.start,
    stop: crew.stop,
    pids: crew.pids,
    async run({ timeoutMs, onProgress, onLog, onPeak, signal, ...job }) {
      const task: RunTask = { kind: "run", ...job };
      const watch = { ...options, timeoutMs, onProgress, onLog, onPeak, signal };
      const { answer, ...measured } = await perform<RunAnswer>(task, job.stage, watch);
      return { ...answer, ...measured };
    },
    async holds(request) {
      return (await quietly<ConditionAnswer>("condition", request)).holds;
    },
    async compose(request) {
      await quietly("compose", request);
    },
    async takeAnswer(request) {
      await quietly("answer", request);
    },
    async render(request) {
      return await quietly<RenderAnswer>("render", request);
    },
  };
}
