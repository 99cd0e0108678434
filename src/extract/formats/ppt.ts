import { openCompound } from "../compound.ts";
import { DocumentFault } from "../errors.ts";
import type { ExtractInput, Extractor } from "../extractor.ts";
import { outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Block, ExtractedDocument, PageFacts, Warning } from "../model.ts";
import { readBytes } from "../read-text.ts";
import { oleProperties } from "./ole-properties.ts";
import { append } from "./ooxml/append.ts";
import { charactersOf, pageFacts } from "./ooxml/page-facts.ts";
import { broken, type PptSlide, readSlides } from "./ppt/presentation.ts";
import { findRecord, TYPE } from "./ppt/records.ts";
import { drawingBlocks } from "./ppt/shapes.ts";

/** PowerPoint presentations of 97 to 2003; macros are never run. */
export const extractor: Extractor = {
  name: "ppt",
  mediaTypes: [MEDIA.ppt],
  async extract(input) {
    const file = openCompound(await readBytes(input));
    try {
      const slides = readSlides(file);
      if (slides.length === 0) throw new DocumentFault("DOCUMENT_EMPTY", "The presentation has no slides.");
      const properties = { ...oleProperties(file), pageCount: slides.length };
      return { ...slidesDocument(slides, input), properties };
    } catch (error) {
      // A place that points out of the file is the document's fault, whatever was read there.
      if (error instanceof DocumentFault || input.signal.aborted || !(error instanceof RangeError))
        throw error;
      throw broken(error);
    }
  },
};

function slidesDocument(
  slides: readonly PptSlide[],
  input: ExtractInput,
): Omit<ExtractedDocument, "properties"> {
  const { options, limits, signal } = input;
  const most = options.maxPages > 0 ? Math.min(options.maxPages, limits.maxPages) : limits.maxPages;
  const budget = outputBudget(limits.maxOutputCharacters);
  const blocks: Block[] = [];
  const pages: PageFacts[] = [];
  const warnings: Warning[] = [];
  if (slides.length > most) {
    warnings.push({ code: "PAGES_SKIPPED", message: `Slides after the first ${most} were not read.` });
  }
  for (const [index, slide] of slides.slice(0, most).entries()) {
    signal.throwIfAborted();
    const page = index + 1;
    input.progress(index, slides.length, `slide ${page} of ${slides.length}`);
    if (page > 1) blocks.push({ type: "page_break", page: page - 1 });
    if (slide.isHidden) {
      warnings.push({ code: "HIDDEN_SLIDE", message: `Slide ${page} is hidden in the show.`, page });
    }
    const content = [...drawingBlocks(slide.drawing, slide.outline), ...notesBlocks(slide)]
      .filter((block) => options.includeTables || block.type !== "table")
      .map((block) => ({ ...block, page }));
    for (const block of content) budget.spend(charactersOf(block));
    append(blocks, content);
    pages.push(pageFacts(page, content));
  }
  return { blocks, pages, warnings };
}

/** Only what the speaker wrote, without the number and the picture of the slide; set off as a quote. */
function notesBlocks({ notes }: PptSlide): Block[] {
  const drawing = findRecord(notes, TYPE.drawing);
  if (drawing === undefined) return [];
  return drawingBlocks(drawing, [], (kind) => kind === 2).map((block) =>
    block.type === "paragraph" ? { ...block, type: "quote" } : block,
  );
}
