import type { ExtractLimits } from "../../extract/extractor.ts";
import type { Json, Warning } from "../../extract/model.ts";
import type { CustomStageFacts } from "../custom/types.ts";
import type { WorkingDocument } from "../stage.ts";

/** Characters of a log or error sentence that may cross to the worker. */
export const MAX_MESSAGE_CHARACTERS = 500;
/** Log lines that one task may send. */
export const MAX_LOG_LINES = 200;
/** Bytes of the metadata of a result, as JSON. */
export const MAX_METADATA_BYTES = 256 * 1024;

/** The document as it is now: the file that a stage wrote, or nothing but its source. */
export interface TaskInput {
  inputPath: string | null;
  source: WorkingDocument["source"];
  /** Those that stand in no file yet. */
  warnings?: readonly Warning[];
}

/** One stage over one document: paths and options, never content. */
export interface RunTask extends TaskInput {
  kind: "run";
  /** The name of the stage in its pipeline. */
  stage: string;
  stageType: string;
  options: unknown;
  outputPath: string;
  sourcePath: string;
  password?: string;
  limits: ExtractLimits;
}

/** Whether the condition of a stage is met. */
export interface ConditionTask extends TaskInput {
  kind: "condition";
  /** CEL, as `conditionFault` found nothing wrong with. */
  expression: string;
}

export interface ConditionAnswer {
  holds: boolean;
}

/** The formats of a finished document, written into `folder`. */
export interface RenderTask {
  kind: "render";
  /** The file that the last stage wrote. */
  documentPath: string;
  warnings?: readonly Warning[];
  /** An existing folder inside the pool's; the files are written into it. */
  folder: string;
}

/** The body of the request of an http stage, written to `bodyPath`. */
export interface ComposeTask extends TaskInput {
  kind: "compose";
  stage: string;
  jobId: string;
  sourcePath: string;
  bodyPath: string;
}

/** What a service has answered, taken into the document. */
export interface AnswerTask extends TaskInput {
  kind: "answer";
  stage: string;
  answerPath: string;
  outputPath: string;
  limits: ExtractLimits;
}

export type Task = RunTask | ConditionTask | ComposeTask | AnswerTask | RenderTask;

/** What one stage left, in numbers. */
export interface StageSummary {
  mediaType?: string;
  blocks: number;
  characters: number;
  pages: number;
  warnings: number;
  chunks: number;
  qualityScore?: number;
}

export interface RunAnswer {
  outputBytes: number;
  summary: StageSummary;
}

/** A file that was written, with its size in bytes and the SHA-256 of its bytes in hex. */
export interface RenderedFile {
  name: "text.txt" | "document.md" | "document.json" | "chunks.ndjson";
  path: string;
  size: number;
  sha256: string;
}

export interface RenderAnswer {
  files: RenderedFile[];
  /** At most 256 KiB as JSON; `truncated` in it names the lists and texts that were cut. */
  metadata: { [key: string]: Json };
  qualityScore?: number;
  /** Unicode code units of text.txt. */
  characters: number;
}

export type TaskAnswer = RunAnswer | ConditionAnswer | RenderAnswer | null;

/** A throw, made small enough and clean enough to cross the boundary. */
export type WireFault =
  | { type: "document"; reason: string; message: string; limit?: string }
  | { type: "stage"; reason: string; message: string; retryable: boolean }
  | { type: "memory" }
  | { type: "other"; message: string };

export type ToChild = { id: number; task: Task };

export type FromChild =
  | { kind: "ready"; customStages: readonly CustomStageFacts[] }
  | { kind: "start_failed"; message: string }
  | { kind: "progress"; id: number; share: number; message?: string }
  | { kind: "log"; id: number; level: "info" | "warn"; message: string }
  | { kind: "done"; id: number; answer: TaskAnswer; rssBytes: number }
  | { kind: "failed"; id: number; fault: WireFault; rssBytes: number };

/** The arguments a child is started with, as one JSON argument. */
export interface ChildSettings {
  customModules: string[];
  /** Ends the process when its parent is gone; needed where the kernel does not do it. */
  watchParent: boolean;
  /** Loads what documents need while none is there. */
  warmUp: boolean;
  /** Roots of paths that no message may show. */
  hiddenPaths: string[];
}

/** `text` cut to `max` characters, with an ellipsis where something was cut. */
export function clip(text: string, max: number = MAX_MESSAGE_CHARACTERS): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}
