import type { ExtractInput } from "../../extractor.ts";
import type { Block, PageFacts, Warning } from "../../model.ts";
import { child, elements, textOf, type XmlElement } from "../../xml.ts";
import { append } from "../ooxml/append.ts";
import { pageFacts } from "../ooxml/page-facts.ts";
import type { OdfContext } from "./context.ts";
import type { OdfPackage } from "./package.ts";
import { readStory } from "./story.ts";

export interface Slides {
  blocks: Block[];
  pages: PageFacts[];
  warnings: Warning[];
  pageCount: number;
}

/** Reads the slides (or drawings) in their order; each is a page, with its notes and remarks at its end. */
export async function readSlides(
  office: OdfPackage,
  context: OdfContext,
  input: ExtractInput,
): Promise<Slides> {
  const { options, limits } = input;
  const most = options.maxPages > 0 ? Math.min(options.maxPages, limits.maxPages) : limits.maxPages;
  const slides: Slides = { blocks: [], pages: [], warnings: [], pageCount: 0 };
  await office.stream("content.xml", {
    visit(name) {
      if (/^office:(?:document-content|body|presentation|drawing|automatic-styles)$/.test(name))
        return "enter";
      if (name === "draw:page") slides.pageCount += 1;
      const wanted =
        name === "draw:page" ? slides.pageCount <= most : /^(?:style:style|text:list-style)$/.test(name);
      return wanted ? "tree" : "skip";
    },
    tree(element) {
      if (element.name !== "draw:page") {
        context.styles.add(element);
        return;
      }
      const page = slides.pageCount;
      input.progress(page - 1, 0, `slide ${page}`);
      if (page > 1) slides.blocks.push({ type: "page_break", page: page - 1 });
      const content = slideBlocks(element, context, options.includeHeadersFooters).map((block) =>
        block.type === "page_break" ? block : { ...block, page },
      );
      append(slides.blocks, content);
      slides.pages.push(pageFacts(page, content));
    },
  });
  if (slides.pageCount > most) {
    const message = `Slides after the first ${most} were not read.`;
    slides.warnings.push({ code: "PAGES_SKIPPED", message });
  }
  return slides;
}

function slideBlocks(slide: XmlElement, context: OdfContext, withMargins: boolean): Block[] {
  const blocks: Block[] = [];
  const name = slide.attributes["draw:name"] ?? "";
  const isTitled = [...elements(slide)].some((shape) => rank(shape) === 0 && textOf(shape).trim() !== "");
  // LibreOffice names slides `page1` by itself; other names are the author's.
  if (!isTitled && name !== "" && !/^page\d+$/.test(name))
    blocks.push({ type: "heading", level: 1, text: name });
  for (const shape of [...elements(slide)].sort(titleFirst)) {
    const kind = shape.attributes["presentation:class"] ?? "";
    if (shape.attributes["presentation:placeholder"] === "true" || shape.name === "presentation:notes")
      continue;
    if (!withMargins && /^(?:header|footer|date-time|page-number)$/.test(kind)) continue;
    const content = readStory([shape], context);
    append(blocks, kind === "title" ? content.map(asTitle) : content);
  }
  const notes = [...elements(child(slide, "presentation:notes"), "draw:frame")].filter(
    ({ attributes }) =>
      attributes["presentation:class"] === "notes" && attributes["presentation:placeholder"] !== "true",
  );
  // Set off from what the audience sees.
  for (const block of readStory(notes, context))
    blocks.push(block.type === "paragraph" ? { ...block, type: "quote" } : block);
  append(blocks, context.notes.splice(0));
  append(blocks, context.comments.splice(0));
  return blocks;
}

const rank = ({ attributes }: XmlElement) => (attributes["presentation:class"] === "title" ? 0 : 1);
const titleFirst = (a: XmlElement, b: XmlElement) => rank(a) - rank(b);

function asTitle(block: Block): Block {
  if (block.type === "paragraph")
    return { ...block, type: "heading", level: 1, text: block.text.replace(/\n/g, " ") };
  if (block.type !== "list" || block.items.length !== 1) return block;
  return { type: "heading", level: 1, text: (block.items[0]?.text ?? "").replace(/\n/g, " ") };
}
