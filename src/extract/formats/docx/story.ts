import type { Block, ListItem } from "../../model.ts";
import { child, elements, type XmlElement } from "../../xml.ts";
import { alternatives } from "../ooxml/alternatives.ts";
import { inlineOf, type Span, withoutEmphasis } from "../ooxml/inline.ts";
import { formulaLatex } from "../ooxml/omml.ts";
import type { DocxContext, StoryItem } from "./context.ts";
import type { ListPlace } from "./numbering.ts";
import { createParagraphReader, type ParagraphContent } from "./paragraph.ts";
import { outlineLevel, type ParagraphStyle } from "./styles.ts";
import { createTable, type TableBuilder } from "./table.ts";

/** A run of content of block level: the body, a cell, a text box, a note. */
export interface Story {
  paragraph(element: XmlElement): void;
  formula(element: XmlElement): void;
  /** A table whose rows come one by one; hand its result to `add`. */
  table(): TableBuilder;
  add(items: readonly StoryItem[]): void;
  finish(): StoryItem[];
}

/** A paragraph in a fixed-width font is code only if it also looks like it. */
const CODE_SIGNS = /[{}()[\]=;<>]|^\s{2,}\S/m;
/** Longer paragraphs with an outline level of their own are text. */
const MAX_HEADING_CHARACTERS = 300;

/** Reads content of block level in order and gathers its lists, code and pages. */
export function createStory(context: DocxContext): Story {
  const reader = createParagraphReader(context);
  const items: StoryItem[] = [];
  let page = 1;
  let list: { block: Extract<Block, { type: "list" }>; numIds: Map<number, string> } | undefined;

  const push = (item: StoryItem) => {
    list = undefined;
    items.push(item);
  };
  const breakPage = () => {
    if (items.length === 0) return;
    push({ type: "page_break", page });
    page += 1;
  };

  const listItem = (place: ListPlace, spans: readonly Span[]) => {
    const { text, markdown } = inlineOf(spans);
    const item: ListItem = { level: place.level, text };
    if (markdown !== undefined) item.markdown = markdown;
    if (place.marker !== "") item.marker = place.marker;
    const known = list?.numIds.get(place.level);
    const differs = known !== undefined && known !== place.numId;
    if (list === undefined || (differs && (place.ordered || list.block.ordered))) {
      const block: Extract<Block, { type: "list" }> = { type: "list", ordered: place.ordered, items: [] };
      items.push(block);
      list = { block, numIds: new Map() };
    }
    list.numIds.set(place.level, place.numId);
    list.block.items.push(item);
  };

  const textBlock = (
    style: ParagraphStyle,
    properties: XmlElement | undefined,
    content: ParagraphContent,
  ) => {
    const place = listPlace(context, style, properties);
    const { text } = inlineOf(content.spans);
    if (text === "") return;
    context.budget.spend(text.length);
    const ownLevel = text.length <= MAX_HEADING_CHARACTERS ? outlineLevel(properties) : undefined;
    const level = ownLevel ?? style.headingLevel;
    if (level !== undefined && level > 0) {
      const number: Span[] = place?.ordered && place.marker ? [{ text: `${place.marker} ` }] : [];
      push({ type: "heading", level, ...oneLine(inlineOf([...number, ...withoutEmphasis(content.spans)])) });
    } else if (style.role === "code" || (content.monospaced && CODE_SIGNS.test(text))) {
      pushCode(content.spans);
    } else if (place !== undefined) {
      listItem(place, content.spans);
    } else if (isDisplay(content.spans)) {
      for (const span of content.spans) if (span.formula) push({ type: "formula", text: span.text });
    } else {
      push({ type: style.role === "quote" ? "quote" : "paragraph", ...inlineOf(content.spans) });
    }
  };

  const pushCode = (spans: readonly Span[]) => {
    const text = spans
      .map((span) => span.text)
      .join("")
      .replace(/\s+$/, "");
    const last = items.at(-1);
    if (last?.type === "code") last.text += `\n${text}`;
    else push({ type: "code", text });
  };

  const story: Story = {
    paragraph(element) {
      const properties = child(element, "w:pPr");
      const style = context.styles.paragraph(child(properties, "w:pStyle")?.attributes["w:val"]);
      const content = reader.read(element);
      const own = child(properties, "w:pageBreakBefore");
      const breaks =
        own === undefined ? style.pageBreakBefore : !/^(?:0|false|off)$/.test(own.attributes["w:val"] ?? "");
      if (breaks || content.breakBefore) breakPage();
      textBlock(style, properties, content);
      for (const attachment of content.attachments) {
        if (attachment.type === "box") {
          // An anchored picture or box does not end the list it is anchored in.
          story.add(readBlocks(attachment.content, context));
        } else {
          items.push(attachment);
        }
      }
      if (content.breakAfter) breakPage();
    },
    formula(element) {
      for (const math of element.name === "m:oMath" ? [element] : elements(element, "m:oMath")) {
        const text = formulaLatex(math);
        context.budget.spend(text.length);
        if (text !== "") push({ type: "formula", text });
      }
    },
    table: () => createTable((cell) => readBlocks(cell, context)),
    add(added) {
      for (const item of added) {
        if (item.type === "table" && !context.includeTables) continue;
        if (item.type !== "page_break") push(item);
      }
    },
    finish() {
      while (items.at(-1)?.type === "page_break") items.pop();
      if (!items.some((item) => item.type === "page_break")) return items;
      return numberPages(items);
    },
  };
  return story;
}

/** The blocks inside an element that is in memory as a whole. */
export function readBlocks(container: XmlElement, context: DocxContext): StoryItem[] {
  const story = createStory(context);
  const walk = (parent: XmlElement): void => {
    for (const element of elements(parent)) {
      if (element.name === "w:p") story.paragraph(element);
      else if (element.name === "w:tbl") story.add(readTable(element, story));
      else if (element.name === "m:oMathPara" || element.name === "m:oMath") story.formula(element);
      else if (element.name === "mc:AlternateContent")
        for (const branch of alternatives(element)) walk(branch);
      else if (BLOCK_WRAPPERS.has(element.name)) walk(element);
    }
  };
  walk(container);
  return story.finish();
}

/** Elements that only stand around content of block level. */
export const BLOCK_WRAPPERS: ReadonlySet<string> = new Set([
  "w:sdt",
  "w:sdtContent",
  "w:customXml",
  "w:ins",
  "w:moveTo",
  "w:smartTag",
]);

function readTable(element: XmlElement, story: Story): StoryItem[] {
  const table = story.table();
  const walk = (parent: XmlElement): void => {
    for (const each of elements(parent)) {
      if (each.name === "w:tr") table.row(each);
      else if (BLOCK_WRAPPERS.has(each.name)) walk(each);
    }
  };
  walk(element);
  return table.finish();
}

function listPlace(context: DocxContext, style: ParagraphStyle, properties: XmlElement | undefined) {
  const own = child(properties, "w:numPr");
  const numId = child(own, "w:numId")?.attributes["w:val"] ?? style.numId;
  if (numId === undefined || numId === "0") return undefined;
  const level = child(own, "w:ilvl")?.attributes["w:val"];
  const wanted = level === undefined ? style.level : Number(level);
  return context.numbering.next(numId, Number.isInteger(wanted) ? wanted : undefined, style.id);
}

function isDisplay(spans: readonly Span[]): boolean {
  return spans.some((span) => span.formula) && spans.every((span) => span.formula || span.text.trim() === "");
}

function oneLine({ text, markdown }: { text: string; markdown?: string }) {
  const line = { text: text.replace(/\s+/g, " ") };
  return markdown === undefined ? line : { ...line, markdown: markdown.replace(/\s+/g, " ") };
}

function numberPages(items: StoryItem[]): StoryItem[] {
  let page = 1;
  return items.map((item) => {
    if (item.type === "page_break") {
      page = item.page + 1;
      return item;
    }
    return { ...item, page };
  });
}
