import type { ExtractLimits } from "../extract/extractor.ts";
import type { Block, ChildDocument, DocumentProperties, Json, PageFacts, Warning } from "../extract/model.ts";

/** One slice of the text for search or embedding: `text.slice(start, end)` of the rendered text is exactly `text`. */
export interface Chunk {
  index: number;
  text: string;
  start: number;
  end: number;
  tokens: number;
  /** First and last page the slice touches; absent where the format has no pages. */
  pageStart?: number;
  pageEnd?: number;
  headingPath: string[];
}

/** A score from 0 to 1 with the parts it is made of and, in words, why it is not 1. */
export interface Quality {
  score: number;
  parts: { name: string; value: number; weight: number }[];
  reasons: string[];
}

/** The document on its way through the stages; plain JSON, written to a file between stages. */
export interface WorkingDocument {
  source: { filename: string; declaredMediaType: string; sizeBytes: number; sha256: string };
  mediaType?: string;
  encoding?: string;
  blocks?: Block[];
  properties: DocumentProperties;
  pages?: PageFacts[];
  children?: ChildDocument[];
  /** What the enrich stage counts and finds: language, words, characters, keyPhrases, readingTimeSeconds … */
  facts: { [key: string]: Json };
  chunks?: Chunk[];
  quality?: Quality;
  warnings: Warning[];
}

/** What a stage may use besides its input. */
export interface StageContext<Options> {
  /** The name of the stage in its pipeline. */
  stage: string;
  options: Options;
  limits: ExtractLimits;
  signal: AbortSignal;
  /** Local path of the source bytes. */
  sourcePath: string;
  /** Password for encrypted documents; never logged, never stored in outputs. */
  password?: string;
  /** Share done from 0 to 1; also the sign of life of a long stage. */
  progress(share: number, message?: string): void;
  log(level: "info" | "warn", message: string): void;
}

/**
 * One step of a pipeline. Deterministic and without side effects: it gets the document and returns the
 * fields it changes; runs in a process of its own. `version` changes when its output would, so that
 * checkpoints of the old version are not reused.
 */
export interface Stage<Options = unknown> {
  readonly type: string;
  readonly version: number;
  readonly description: string;
  /** Checks and completes the options of a pipeline; throws `StageOptionsError` naming each faulty field. */
  parseOptions(raw: unknown): Options;
  /** JSON Schema of the options, for the catalogue of stages. */
  optionsSchema?(): { [key: string]: unknown };
  /** Loads what is slow to load, so that the first document does not wait for it. */
  warm?(): Promise<void>;
  run(document: WorkingDocument, context: StageContext<Options>): Promise<Partial<WorkingDocument>>;
}

/** Faults in the options of a stage, one entry a field. */
export class StageOptionsError extends Error {
  override name = "StageOptionsError";
  readonly faults: readonly { field: string; description: string }[];
  constructor(faults: readonly { field: string; description: string }[]) {
    super(faults.map((f) => `${f.field}: ${f.description}`).join("; "));
    this.faults = faults;
  }
}

/** What was seen of a process that had to be ended or ended itself; for operators, never for callers. */
export interface StageEvidence {
  exitCode: number | null;
  signal: string | null;
  peakRssBytes: number;
  durationMs: number;
  /** Share of the stage that was done, from 0 to 1, at the last sign of life. */
  lastShare: number;
  /** The last 4 KiB of its standard error. */
  stderrTail: string;
}

/** A stage failed for a reason of its own (not the document's): `reason` is a value of `sluice.v1.ErrorReason`. */
export class StageFailure extends Error {
  override name = "StageFailure";
  readonly reason: string;
  readonly retryable: boolean;
  readonly evidence: StageEvidence | undefined;
  /** How long whoever failed asks to be left alone, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  constructor(
    reason: string,
    message: string,
    retryable: boolean,
    evidence?: StageEvidence,
    retryAfterMs?: number,
  ) {
    super(message);
    this.reason = reason;
    this.retryable = retryable;
    this.evidence = evidence;
    this.retryAfterMs = retryAfterMs;
  }
}
