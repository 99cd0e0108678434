import type { ExtractedDocument } from "./model.ts";

/** Bounds on one document; reaching one is a `DocumentFault` or, where part of the text is still worth having, a warning. */
export interface ExtractLimits {
  maxInputBytes: number;
  maxPages: number;
  /** Bytes after decompression, over all members. */
  maxInflatedBytes: number;
  /** Inflated over stored bytes, judged once 1 MiB was inflated. */
  maxInflationRatio: number;
  /** Nesting of elements, containers or child documents. */
  maxDepth: number;
  /** Members of an archive or parts of a message. */
  maxMembers: number;
  /** Characters of text in the output. */
  maxOutputCharacters: number;
}

export const DEFAULT_EXTRACT_LIMITS: ExtractLimits = {
  maxInputBytes: 512 * 1024 * 1024,
  maxPages: 10_000,
  maxInflatedBytes: 512 * 1024 * 1024,
  maxInflationRatio: 200,
  maxDepth: 200,
  maxMembers: 10_000,
  maxOutputCharacters: 256 * 1024 * 1024,
};

/** Options of the extract stage that concern every format. */
export interface ExtractOptions {
  /** Pages to read from the first on; 0 = all that `limits.maxPages` allows. */
  maxPages: number;
  includeTables: boolean;
  includeHeadersFooters: boolean;
  /** HTML: only the main content, without navigation and boilerplate. */
  mainContentOnly: boolean;
  /** For encrypted documents. */
  password?: string;
}

/** What an extractor works on. Runs in a process of its own: no network, no files but `path`. */
export interface ExtractInput {
  /** The document on the local disk. */
  path: string;
  size: number;
  /** As detected, without parameters: `application/pdf`. */
  mediaType: string;
  /** As the client named it, possibly empty; a hint only. */
  filename: string;
  /** Character set as detected, for text formats. */
  encoding?: string;
  options: ExtractOptions;
  limits: ExtractLimits;
  signal: AbortSignal;
  /**
   * Tells how far it is; also the sign of life that keeps the progress clock from ending the process. With `place`,
   * e.g. `page 3 of 12`, before the work on it begins: should it take the process down, this is what is known.
   * @param total 0 = not known
   */
  progress(done: number, total: number, place?: string): void;
}

/** Reads one family of formats. Deterministic: the same bytes and options give the same blocks. */
export interface Extractor {
  readonly name: string;
  readonly mediaTypes: readonly string[];
  /** @throws DocumentFault when the document is at fault */
  extract(input: ExtractInput): Promise<ExtractedDocument>;
}
