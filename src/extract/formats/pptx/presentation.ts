import { DocumentFault } from "../../errors.ts";
import type { ExtractInput } from "../../extractor.ts";
import { outputBudget } from "../../flow.ts";
import type { Block, ExtractedDocument, PageFacts, Warning } from "../../model.ts";
import { child, descendants, elements } from "../../xml.ts";
import { append } from "../ooxml/append.ts";
import { type OfficePackage, partOfType } from "../ooxml/package.ts";
import { charactersOf, pageFacts } from "../ooxml/page-facts.ts";
import { readAuthors, readComments } from "./comments.ts";
import { createPlaceholderReader } from "./placeholders.ts";
import { type SlideContext, shapeBlocks } from "./slide.ts";
import { textBlocks } from "./text.ts";

const MAX_LINKS = 10_000;

/** Reads the slides in the order of the show; each is a page, with its notes and comments at its end. */
export async function readPresentation(
  office: OfficePackage,
  input: ExtractInput,
): Promise<Omit<ExtractedDocument, "properties"> & { slideCount: number; links: string[] }> {
  const main = await office.mainPart("ppt/presentation.xml");
  const slides = await slideParts(office, main);
  const placeholdersOf = createPlaceholderReader(office);
  const authors = await readAuthors(office, main);
  const budget = outputBudget(input.limits.maxOutputCharacters);
  const links = new Set<string>();

  const { options, limits } = input;
  const most = options.maxPages > 0 ? Math.min(options.maxPages, limits.maxPages) : limits.maxPages;
  const blocks: Block[] = [];
  const pages: PageFacts[] = [];
  const warnings: Warning[] = [];
  if (slides.length > most) {
    warnings.push({ code: "PAGES_SKIPPED", message: `Slides after the first ${most} were not read.` });
  }
  for (const [index, part] of slides.slice(0, most).entries()) {
    const page = index + 1;
    input.progress(index, slides.length, `slide ${page} of ${slides.length}`);
    if (page > 1) blocks.push({ type: "page_break", page: page - 1 });
    const slide = await office.tree(part);
    if (/^(?:0|false)$/.test(slide?.attributes.show ?? "")) {
      warnings.push({ code: "HIDDEN_SLIDE", message: `Slide ${page} is hidden in the show.`, page });
    }
    const context: SlideContext = {
      office,
      relationships: await office.relationships(part),
      placeholders: await placeholdersOf(part),
      page,
      includeTables: options.includeTables,
      includeHeadersFooters: options.includeHeadersFooters,
      onLink: (target) => {
        if (links.size < MAX_LINKS) links.add(target);
      },
    };
    const content = [
      ...(await shapeBlocks(child(slide, "p:cSld", "p:spTree"), context)),
      ...(await notesBlocks(office, context)),
      ...(await readComments(office, part, authors, page)),
    ];
    for (const block of content) budget.spend(charactersOf(block));
    append(blocks, content);
    pages.push(pageFacts(page, content));
  }
  input.progress(slides.length, slides.length);
  return { blocks, warnings, pages, slideCount: slides.length, links: [...links] };
}

async function slideParts(office: OfficePackage, main: string): Promise<string[]> {
  const relationships = await office.relationships(main);
  const parts: string[] = [];
  for (const { attributes } of elements(child(await office.tree(main), "p:sldIdLst"), "p:sldId")) {
    const part = relationships.get(attributes["r:id"] ?? "")?.target;
    if (part !== undefined && office.has(part)) parts.push(part);
  }
  if (parts.length === 0) throw new DocumentFault("DOCUMENT_EMPTY", "The presentation has no slides.");
  return parts;
}

async function notesBlocks(office: OfficePackage, context: SlideContext): Promise<Block[]> {
  const part = partOfType(context.relationships, "notesSlide");
  if (part === undefined) return [];
  const tree = child(await office.tree(part), "p:cSld", "p:spTree");
  const relationships = await office.relationships(part);
  const blocks: Block[] = [];
  for (const shape of descendants(tree, "p:sp")) {
    if (child(shape, "p:nvSpPr", "p:nvPr", "p:ph")?.attributes.type !== "body") continue;
    append(blocks, textBlocks(child(shape, "p:txBody"), [], { ...context, relationships }));
  }
  // Set off from what the audience sees.
  return blocks.map((block) => (block.type === "paragraph" ? { ...block, type: "quote" } : block));
}
