import { readFile, writeFile } from "node:fs/promises";
import { type DocumentFault, LimitFault } from "../../extract/errors.ts";
import type { ExtractLimits } from "../../extract/extractor.ts";
import type { Block, Warning } from "../../extract/model.ts";
import type { WorkingDocument } from "../stage.ts";
import type { RunAnswer, StageSummary, TaskInput } from "./protocol.ts";

/** The document as the stage before left it. */
export async function readDocument(path: string): Promise<WorkingDocument> {
  return JSON.parse(await readFile(path, "utf8")) as WorkingDocument;
}

/** A document of which nothing but its source is known. */
export function newDocument(source: WorkingDocument["source"]): WorkingDocument {
  return { source, properties: {}, facts: {}, warnings: [] };
}

/** The document that a task is about. */
export async function openDocument({
  inputPath,
  source,
  warnings = [],
}: TaskInput): Promise<WorkingDocument> {
  return withWarnings(inputPath === null ? newDocument(source) : await readDocument(inputPath), warnings);
}

/** The document with further warnings behind its own. */
export function withWarnings(document: WorkingDocument, warnings: readonly Warning[] = []): WorkingDocument {
  return warnings.length === 0 ? document : { ...document, warnings: [...document.warnings, ...warnings] };
}

/**
 * Writes the document as one JSON file, mode 0600.
 * @throws DocumentFault LIMIT_EXCEEDED when its text is longer than `limits.maxOutputCharacters`
 */
export async function writeDocument(
  path: string,
  document: WorkingDocument,
  limits: ExtractLimits,
): Promise<RunAnswer> {
  const summary = summarize(document);
  if (summary.characters > limits.maxOutputCharacters) throw tooMuchText(limits);
  const bytes = Buffer.from(encode(document, limits), "utf8");
  await writeFile(path, bytes, { mode: 0o600 });
  return { outputBytes: bytes.length, summary };
}

function encode(document: WorkingDocument, limits: ExtractLimits): string {
  try {
    return JSON.stringify(document);
  } catch (error) {
    // The engine's own bound on one string, some 500 million characters.
    if (error instanceof RangeError) throw tooMuchText(limits);
    throw error;
  }
}

function tooMuchText(limits: ExtractLimits): DocumentFault {
  return new LimitFault(
    "maxOutputCharacters",
    `The document holds more text than the ${limits.maxOutputCharacters} characters one result may have. Split it.`,
  );
}

/** The counts of a document that its job shows while it runs. */
export function summarize(document: WorkingDocument): StageSummary {
  const blocks = document.blocks ?? [];
  let characters = 0;
  for (const block of blocks) characters += charactersOf(block);
  return {
    ...(document.mediaType === undefined ? {} : { mediaType: document.mediaType }),
    blocks: blocks.length,
    characters,
    pages: document.pages?.length ?? document.properties.pageCount ?? 0,
    warnings: document.warnings.length,
    chunks: document.chunks?.length ?? 0,
    ...(document.quality === undefined ? {} : { qualityScore: document.quality.score }),
  };
}

/** UTF-16 code units of the block's own text, without what renderers add. */
export function charactersOf(block: Block): number {
  switch (block.type) {
    case "list":
      return block.items.reduce((sum, item) => sum + item.text.length, 0);
    case "table":
      return (
        (block.caption?.length ?? 0) +
        block.rows.reduce((sum, row) => sum + row.reduce((inner, cell) => inner + cell.text.length, 0), 0)
      );
    case "image":
      return block.alt.length;
    case "page_break":
      return 0;
    default:
      return block.text.length;
  }
}
