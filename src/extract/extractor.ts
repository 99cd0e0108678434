import type { ChildDocument, ExtractedDocument } from "./model.ts";

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
  /** Pixels of one picture that is read by OCR. */
  maxImagePixels: number;
  /** Told of every byte that is unpacked, so that documents within each other share one budget. */
  onInflated?(bytes: number): void;
}

export const DEFAULT_EXTRACT_LIMITS: ExtractLimits = {
  maxInputBytes: 512 * 1024 * 1024,
  maxPages: 10_000,
  maxInflatedBytes: 512 * 1024 * 1024,
  maxInflationRatio: 200,
  maxDepth: 200,
  maxMembers: 10_000,
  maxOutputCharacters: 256 * 1024 * 1024,
  maxImagePixels: 40_000_000,
};

/** Options of the extract stage that concern every format. */
export interface ExtractOptions {
  /** Pages to read from the first on; 0 = all that `limits.maxPages` allows. */
  maxPages: number;
  includeTables: boolean;
  includeHeadersFooters: boolean;
  /** HTML: only the main content, without navigation and boilerplate. */
  mainContentOnly: boolean;
  /** `auto`: pictures, and pages that have no text of their own that can be used. */
  ocr: "auto" | "never" | "always";
  /** Languages that OCR reads, of the installed ones; empty = English. */
  languages: readonly string[];
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
  /** Reads a document within this one; never throws for its faults. Absent where children are not read. */
  readChild?(source: ChildSource): Promise<ChildResult>;
}

/** A document within a document, as its parent finds it. */
export interface ChildSource {
  /** Only a name: nothing is ever written under it. */
  name: string;
  /** As the parent declares it, possibly empty; a hint only. */
  mediaType: string;
  /** As the parent declares it. */
  sizeBytes: number;
  /** Its bytes, at once or as they come; or how it is read, where it has no bytes of its own. */
  content: Uint8Array | AsyncIterable<Uint8Array> | ((input: ExtractInput) => Promise<ExtractedDocument>);
}

/** What became of a child: its facts, and its content if it was read. */
export interface ChildResult {
  facts: ChildDocument;
  extracted?: ExtractedDocument;
}

/** Reads one family of formats. Deterministic: the same bytes and options give the same blocks. */
export interface Extractor {
  readonly name: string;
  readonly mediaTypes: readonly string[];
  /** @throws DocumentFault when the document is at fault */
  extract(input: ExtractInput): Promise<ExtractedDocument>;
}
