import { readFile } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DocumentFault, LimitFault } from "../errors.ts";
import type { ExtractInput, Extractor } from "../extractor.ts";
import type { Block, ExtractedDocument, PageFacts, Warning } from "../model.ts";
import { toBlocks } from "./pdf/blocks.ts";
import { type OpenDocument, openDocument, readProperties } from "./pdf/document.ts";
import { atCap, discardEngine, type Engine, getEngine, recycleEngine } from "./pdf/engine.ts";
import { loadPage, pageFacts, pageWarnings, type ReadPage, recognize } from "./pdf/page.ts";
import { findRunning } from "./pdf/running.ts";
import { measure } from "./pdf/typography.ts";

const YIELD_MS = 40;
const MAX_WARNINGS = 1_000;

let turn: Promise<unknown> = Promise.resolve();

/** Reads PDF files by PDFium (WebAssembly), one document at a time. */
export const extractor: Extractor = {
  name: "pdf",
  mediaTypes: ["application/pdf"],
  extract(input) {
    const result = turn.then(() => extractPdf(input));
    turn = result.catch(() => undefined);
    return result;
  },
};

async function extractPdf(input: ExtractInput): Promise<ExtractedDocument> {
  input.signal.throwIfAborted();
  if (input.size === 0) throw new DocumentFault("DOCUMENT_EMPTY", "This file has no content: 0 bytes.");
  if (input.size > input.limits.maxInputBytes) {
    throw new LimitFault(
      "maxInputBytes",
      `This PDF has ${input.size} bytes; the limit is ${input.limits.maxInputBytes}. Split it and send the parts.`,
      "DOCUMENT_TOO_LARGE",
    );
  }
  const bytes = await readFile(input.path);
  const engine = await getEngine();
  let document: OpenDocument | undefined;
  try {
    document = openDocument(engine, bytes, input.options.password);
    const result = await read(engine, document, input);
    document.close();
    recycleEngine(engine);
    return result;
  } catch (error) {
    if (isAbort(error)) {
      discardEngine();
      throw abortFault(engine, error);
    }
    document?.close();
    throw error;
  }
}

/** Errors that leave the instance unusable: a trap, an abort, or a stack that ran out inside it. */
function isAbort(error: unknown): boolean {
  return error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
}

function abortFault(engine: Engine, cause: unknown): DocumentFault {
  return atCap(engine)
    ? new DocumentFault(
        "LIMIT_EXCEEDED",
        "This PDF needs more memory than the PDF reader may use: a part of it inflates to an extreme size.",
        cause,
      )
    : new DocumentFault(
        "DOCUMENT_CORRUPT",
        "The PDF reader broke off on this file: it is damaged in a way that cannot be read.",
        cause,
      );
}

async function read(engine: Engine, document: OpenDocument, input: ExtractInput): Promise<ExtractedDocument> {
  const { limits, options } = input;
  const wanted = options.maxPages > 0 ? Math.min(options.maxPages, limits.maxPages) : limits.maxPages;
  const total = Math.min(document.pageCount, wanted);
  const properties = readProperties(engine, document);
  const warnings: Warning[] = [];
  const readPages: ReadPage[] = [];
  const links = new Set<string>();
  const warn = (warning: Warning) => void (warnings.length < MAX_WARNINGS && warnings.push(warning));
  if (total < document.pageCount) {
    warn({
      code: "PAGE_LIMIT_REACHED",
      message: `Only the first ${total} of ${document.pageCount} pages were read: the page limit was reached.`,
    });
  }

  let unreadable = 0;
  let characters = 0;
  let since = performance.now();
  for (let number = 1; number <= total; number += 1) {
    input.signal.throwIfAborted();
    const place = `page ${number} of ${document.pageCount}`;
    input.progress(number - 1, 2 * total, place);
    const page = loadPage(engine, document, number, links, input);
    if (page === undefined) {
      unreadable += 1;
      warn({
        code: "PART_SKIPPED",
        message: `Page ${number} is damaged and could not be read.`,
        page: number,
      });
    } else {
      const { content, raster } = page;
      const onProgress = (share: number) => input.progress(number - 1 + share, 2 * total, place);
      const text = raster === undefined ? undefined : await recognize(raster, number, input, onProgress);
      const recognized = text !== undefined && text.characters > 0 ? text : undefined;
      readPages.push({ content, ...(recognized === undefined ? {} : { recognized }) });
      characters += recognized?.characters ?? content.characters;
      for (const warning of pageWarnings(page, text, input)) warn(warning);
    }
    if (characters > limits.maxOutputCharacters) {
      warn({
        code: "OUTPUT_LIMIT_REACHED",
        message: `The text was cut off on page ${number}: the limit of ${limits.maxOutputCharacters} characters was reached.`,
        page: number,
      });
      break;
    }
    if (performance.now() - since > YIELD_MS) {
      await nextTurn();
      since = performance.now();
    }
  }
  if (unreadable === total) {
    throw new DocumentFault(
      "DOCUMENT_CORRUPT",
      "No page of this PDF could be read: it is damaged; send it again from the original.",
    );
  }

  const laidOut = readPages.filter((page) => page.recognized === undefined).map((page) => page.content);
  const typography = measure(laidOut);
  const dropped = options.includeHeadersFooters ? new Set<never>() : findRunning(laidOut);
  const blocks: Block[] = [];
  const pages: PageFacts[] = [];
  for (const [index, { content, recognized }] of readPages.entries()) {
    input.signal.throwIfAborted();
    // Read once for all characters, and once more for what they make up.
    input.progress(total + index, 2 * total, `page ${content.page} of ${document.pageCount}`);
    const { includeTables } = options;
    const found = recognized?.blocks ?? toBlocks(content, typography, { includeTables, dropped });
    for (const block of found) blocks.push(block);
    pages.push(pageFacts(content, recognized));
    if (index < readPages.length - 1) blocks.push({ type: "page_break", page: content.page });
    if (performance.now() - since > YIELD_MS) {
      await nextTurn();
      since = performance.now();
    }
  }
  if (links.size > 0) properties.links = [...links];
  return { blocks, properties, warnings, pages };
}
