/** A value that survives JSON. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** Plain text, and the same in Markdown where emphasis, links or code make it differ. */
interface Inline {
  text: string;
  markdown?: string;
}

/** One piece of a document, in reading order. `page` counts from 1, and is absent where the format has no pages. */
export type DocumentBlock =
  | ({ type: "heading"; level: number; page?: number } & Inline)
  | ({ type: "paragraph"; page?: number } & Inline)
  | ({ type: "quote"; page?: number } & Inline)
  | {
      type: "list";
      ordered: boolean;
      /** `level` counts from 0; `marker` is the number or sign as the source shows it. */
      items: ({ level: number; marker?: string } & Inline)[];
      page?: number;
    }
  | {
      type: "table";
      rows: ({ columnSpan?: number; rowSpan?: number } & Inline)[][];
      headerRows: number;
      caption?: string;
      page?: number;
    }
  | { type: "code"; text: string; language?: string; page?: number }
  | { type: "formula"; text: string; page?: number }
  | { type: "image"; alt: string; target?: string; page?: number }
  /** Ends the page with that number. */
  | { type: "page_break"; page: number };

/** A slice of the text: `text.slice(start, end)` of the whole is its `text`. */
export interface DocumentChunk {
  index: number;
  text: string;
  start: number;
  end: number;
  tokens: number;
  pageStart?: number;
  pageEnd?: number;
  headingPath: string[];
}

/** The document as it is when the stage runs; changing it changes nothing outside. */
export interface CustomStageInput<Options = unknown> {
  /** As the pipeline gives them, checked by `optionsSchema` and completed with its defaults. */
  readonly options: Options;
  readonly document: {
    readonly filename: string;
    /** As found in the bytes; before a detect stage as declared. */
    readonly mediaType: string;
    readonly sizeBytes: number;
    readonly sha256: string;
    /** The bytes, as a file to be read. */
    readonly path: string;
  };
  /** The text of the blocks; empty while no stage has made any. */
  readonly text: string;
  readonly blocks: DocumentBlock[];
  /** Empty before a chunk stage. */
  readonly chunks: DocumentChunk[];
  /** What the metadata of the result would be if the job ended here. */
  readonly metadata: { [key: string]: Json };
}

/** What a stage may use besides its input. */
export interface CustomStageContext {
  /** Never fires while the stage runs: a job that is cancelled or late has its process ended. */
  readonly signal: AbortSignal;
  /**
   * Tells how much is done, from 0 to 1, and where, for people. It is also the sign of life: a stage that is silent for two
   * minutes is ended with `PARSER_TIMEOUT`.
   */
  progress(share: number, message?: string): void;
  /** A line in the events of the job: at most 200 of 500 characters. */
  log(level: "info" | "warn", message: string): void;
}

/** What a stage changes; all of it may be left out. */
export interface CustomStageOutcome {
  /** Plain text in place of the document's; paragraphs and lists are found in it. Not beside `blocks`. */
  text?: string;
  /** Blocks in place of the document's. */
  blocks?: DocumentBlock[];
  /** Goes into the metadata of the result, as `facts.stages.NAME`, NAME being that of the stage in its pipeline; up to 64 KiB. */
  metadata?: { [key: string]: Json };
}

/**
 * A stage of your own, for `sluice serve --stages FILE` and `sluice worker --stages FILE`: FILE exports `stages`, a list of them.
 * Pipelines name it as `custom: { type, options }`.
 *
 * It runs in a document process: without network where the system allows that, without the worker's environment, able to read the
 * packages around it and what its own folder has at the start (no names that begin with a dot, no keys and documents of the service),
 * and to write nowhere but to the worker's temporary files; memory and time are bounded. The process is replaced after the
 * run: nothing stays for the next one. What it throws fails the stage with `STAGE_FAILED` and the message;
 * an error with `retryable: true` is retried.
 */
export interface CustomStage<Options = never> {
  /** Lower-case letters, digits, `-` and `_`, a letter first, up to 63; none of the built-in types. */
  readonly name: string;
  /** A whole number from 1. Count it up when the output changes: what older versions left is then not used. */
  readonly version: number;
  /** For people, up to 500 characters. */
  readonly description: string;
  /** JSON Schema, draft 2020-12, of the options; without it there are none. */
  readonly optionsSchema?: { readonly [key: string]: unknown };
  run(
    input: CustomStageInput<Options>,
    context: CustomStageContext,
  ): CustomStageOutcome | undefined | Promise<CustomStageOutcome | undefined>;
}
