/** A value that survives JSON. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/**
 * One piece of a document, in reading order. `text` is plain; `markdown` stands beside it only where inline
 * formatting (emphasis, links, code, formulas) makes it differ. `page` counts from 1 and is absent where
 * the format has no pages (slides and sheets count as pages).
 */
export type Block =
  | { type: "heading"; level: number; text: string; markdown?: string; page?: number }
  | { type: "paragraph"; text: string; markdown?: string; page?: number }
  | { type: "quote"; text: string; markdown?: string; page?: number }
  | { type: "list"; ordered: boolean; items: ListItem[]; page?: number }
  | { type: "table"; rows: TableCell[][]; headerRows: number; caption?: string; page?: number }
  | { type: "code"; text: string; language?: string; page?: number }
  | { type: "formula"; text: string; page?: number }
  | { type: "image"; alt: string; target?: string; page?: number }
  /** Ends the page with number `page`; the next block belongs to the page after it. */
  | { type: "page_break"; page: number };

/** `level` counts from 0; `marker` is the number or sign as the source shows it (`3.`, `b)`, `•`), if it has one. */
export interface ListItem {
  level: number;
  text: string;
  markdown?: string;
  marker?: string;
}

/** A cell that spans others is repeated by renderers where `columnSpan` or `rowSpan` say so; both are 1 or more. */
export interface TableCell {
  text: string;
  markdown?: string;
  columnSpan?: number;
  rowSpan?: number;
}

/** What the document says about itself; `extra` holds the format's own facts (sheet names, mail headers …). */
export interface DocumentProperties {
  title?: string;
  authors?: string[];
  subject?: string;
  keywords?: string[];
  created?: string;
  modified?: string;
  pageCount?: number;
  links?: string[];
  extra?: { [key: string]: Json };
}

/** Something a reader of the result should know: a skipped part, a limit, a mismatch. */
export interface Warning {
  /** Stable, UPPER_SNAKE: `MEDIA_TYPE_MISMATCH`, `PAGE_WITHOUT_TEXT`, `PART_SKIPPED` … */
  code: string;
  message: string;
  page?: number;
}

/** What was seen of one page (slide, sheet); the quality stage judges coverage by it. */
export interface PageFacts {
  page: number;
  characters: number;
  images: number;
  /** Mean word confidence from 0 to 1 when the text was read by OCR. */
  ocrConfidence?: number;
}

/** A document within the document: an attachment or archive member. */
export interface ChildDocument {
  /** As the parent names it, with the names of those around it before it: `inner.zip/report.pdf`. Only a name. */
  name: string;
  mediaType: string;
  sizeBytes: number;
  sha256?: string;
  /** `FAILED`: it could not be read; `SKIPPED`: it was not tried, or nothing reads its type. */
  status?: "READ" | "FAILED" | "SKIPPED";
  /** Why it was not read, as for a document of its own: `DOCUMENT_CORRUPT` … */
  reason?: string;
  /** Blocks that are not in the parent's text. */
  blocks?: Block[];
  /** Blocks of it in the parent's text, below a heading with its name. */
  blockCount?: number;
  /** Said when the child was not read: why. */
  skipped?: string;
}

/** What an extractor returns. */
export interface ExtractedDocument {
  blocks: Block[];
  properties: DocumentProperties;
  warnings: Warning[];
  pages?: PageFacts[];
  children?: ChildDocument[];
}
