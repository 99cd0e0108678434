import { readFile } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DocumentFault } from "../errors.ts";
import type { ExtractInput, Extractor } from "../extractor.ts";
import type { Block, ExtractedDocument, PageFacts, Warning } from "../model.ts";
import { toBlocks } from "./pdf/blocks.ts";
import { type OpenDocument, openDocument, readLinks, readProperties } from "./pdf/document.ts";
import { atCap, discardEngine, type Engine, getEngine, recycleEngine } from "./pdf/engine.ts";
import type { PageContent } from "./pdf/geometry.ts";
import { findRunning } from "./pdf/running.ts";
import { scanPage } from "./pdf/scan.ts";
import { NO_TAGS, readTags } from "./pdf/tags.ts";
import { measure } from "./pdf/typography.ts";

/** Characters of one page; a page of a book has 3,000. */
const MAX_PAGE_CHARACTERS = 2_000_000;
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
    throw new DocumentFault(
      "DOCUMENT_TOO_LARGE",
      `This PDF has ${input.size} bytes; the limit is ${input.limits.maxInputBytes}. Split it and send the parts.`,
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
  const contents: PageContent[] = [];
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
    input.progress(number - 1, 2 * total, `page ${number} of ${document.pageCount}`);
    const content = readPage(engine, document, number, links);
    if (content === undefined) {
      unreadable += 1;
      warn({
        code: "PART_SKIPPED",
        message: `Page ${number} is damaged and could not be read.`,
        page: number,
      });
    } else {
      contents.push(content);
      characters += content.characters;
      if (content.truncated) {
        warn({
          code: "OUTPUT_LIMIT_REACHED",
          message: `Page ${number} has more than ${MAX_PAGE_CHARACTERS} characters; the rest of them was not read.`,
          page: number,
        });
      }
      if (content.characters === 0 && content.images > 0) {
        warn({
          code: "PAGE_WITHOUT_TEXT",
          message: `Page ${number} is an image; its text was not read.`,
          page: number,
        });
      }
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

  const typography = measure(contents);
  const dropped = options.includeHeadersFooters ? new Set<never>() : findRunning(contents);
  const blocks: Block[] = [];
  const pages: PageFacts[] = [];
  for (const [index, content] of contents.entries()) {
    input.signal.throwIfAborted();
    // Read once for all characters, and once more for what they make up.
    input.progress(total + index, 2 * total, `page ${content.page} of ${document.pageCount}`);
    for (const block of toBlocks(content, typography, { includeTables: options.includeTables, dropped })) {
      blocks.push(block);
    }
    pages.push({ page: content.page, characters: content.characters, images: content.images });
    if (index < contents.length - 1) blocks.push({ type: "page_break", page: content.page });
    if (performance.now() - since > YIELD_MS) {
      await nextTurn();
      since = performance.now();
    }
  }
  if (links.size > 0) properties.links = [...links];
  return { blocks, properties, warnings, pages };
}

function readPage(
  engine: Engine,
  document: OpenDocument,
  number: number,
  links: Set<string>,
): PageContent | undefined {
  const page = engine.fn("FPDF_LoadPage")(document.handle, number - 1);
  if (page === 0) return undefined;
  try {
    const tags = document.tagged ? readTags(engine, page) : NO_TAGS;
    const content = scanPage(engine, page, number, tags, { maxCharacters: MAX_PAGE_CHARACTERS });
    readLinks(engine, document, page, links);
    return content;
  } finally {
    engine.fn("FPDF_ClosePage")(page);
  }
}
