import { escapeMarkdown } from "../../escape-markdown.ts";
import { cellOf } from "../../flatten.ts";
import { createFlow } from "../../flow.ts";
import type { Block } from "../../model.ts";
import { child, elements, textOf, type XmlElement } from "../../xml.ts";
import { commentBlock } from "../ooxml/comment.ts";
import type { OdfContext } from "./context.ts";
import { type InlineReader, writeInline } from "./inline.ts";
import type { ListStyle } from "./list-styles.ts";
import { createTable } from "./table.ts";

/** Content of block level: the body, a cell, a text box, a note. */
export interface Story {
  element(element: XmlElement): void;
  add(blocks: readonly Block[]): void;
  finish(): Block[];
}

interface OpenList {
  style: ListStyle | undefined;
  id: string;
  numbers: number[];
}

/** Reads content of block level in order. */
export function createStory(context: OdfContext): Story {
  const flow = createFlow(context.budget);
  let code: string[] = [];
  const endCode = () => {
    if (code.length > 0) flow.push({ type: "code", text: code.join("\n").trimEnd() });
    code = [];
  };
  const write = (element: XmlElement, list: OpenList | undefined, level: number): void => {
    switch (element.name) {
      case "text:p":
      case "text:h":
        writeParagraph(element);
        return;
      case "text:list":
        endCode();
        writeList(element, list, level);
        return;
      case "table:table":
        endCode();
        story.add(readTable(element, context));
        return;
      case "draw:frame":
      case "draw:object":
        endCode();
        writeObject(element);
        return;
      case "office:annotation":
        context.comments.push(...commentOf(element, context));
        return;
      case "presentation:notes":
      case "office:forms":
      case "text:tracked-changes":
      case "text:table-of-content-source":
        return;
      default:
        if (/^(?:text|draw|dr3d|office):/.test(element.name) || element.name === "table:table-cell")
          for (const inner of elements(element)) write(inner, list, level);
    }
  };

  const writeParagraph = (element: XmlElement) => {
    const style = context.styles.paragraph(element.attributes["text:style-name"]);
    const own = Number(element.attributes["text:outline-level"]);
    const level = headingLevel(element.name === "text:h" ? own || 1 : style.outlineLevel, style.role);
    if (level === undefined && style.role === "code") {
      const text = codeText(element);
      context.budget.spend(text.length + 1);
      code.push(text);
      return;
    }
    endCode();
    const reader: InlineReader = { flow, context, attached: [], note: noteOf, comment: addComment };
    if (level !== undefined) {
      const number = headingNumber(element, context);
      if (number !== "") flow.exact(`${number} `);
      writeInline(element, {}, reader);
      flow.endHeading(level);
    } else if (style.role === "quote") {
      flow.openQuote();
      writeInline(element, style.look, reader);
      flow.closeQuote();
    } else {
      writeInline(element, style.look, reader);
      flow.endParagraph();
    }
    for (const each of reader.attached) write(each, undefined, 0);
  };

  const writeObject = (frame: XmlElement) => {
    for (const inner of elements(frame)) {
      if (inner.name === "draw:object") {
        const folder = (inner.attributes["xlink:href"] ?? "").replace(/^\.\//, "").replace(/\/$/, "");
        const block = context.objects.get(folder);
        if (block !== undefined) story.add([block]);
      } else if (inner.name === "draw:text-box" || inner.name === "table:table") write(inner, undefined, 0);
      // A picture beside an object or a table only shows it.
      else if (inner.name === "draw:image" && !child(frame, "draw:object") && !child(frame, "table:table")) {
        flow.image(textOf(child(frame, "svg:title")) || textOf(child(frame, "svg:desc")), "");
        flow.endParagraph();
      }
    }
  };

  const writeList = (element: XmlElement, outer: OpenList | undefined, level: number) => {
    const list = openList(element, outer, level, context);
    flow.openList(list.style?.isOrdered(level) ?? false);
    for (const item of elements(element)) {
      if (item.name !== "text:list-item" && item.name !== "text:list-header") continue;
      flow.openItem(itemMarker(item, list, level));
      for (const inner of elements(item)) {
        if (inner.name === "text:h") writeItemHeading(inner);
        else write(inner, list, level + 1);
      }
      flow.closeItem();
    }
    flow.closeList();
    if (list.id !== "") context.numbers.set(list.id, list.numbers);
  };
  // A heading that is numbered as a list item is still a heading.
  const writeItemHeading = (element: XmlElement) => writeParagraph(element);

  const noteOf = (element: XmlElement): string => {
    const label = textOf(child(element, "text:note-citation")).trim() || String(context.notes.length + 1);
    const at = context.notes.push({ type: "paragraph", text: "" }) - 1;
    const { text, markdown } = cellOf(readStory(elements(child(element, "text:note-body")), context));
    context.notes[at] = {
      type: "paragraph",
      text: `[${label}] ${text}`,
      markdown: `${escapeMarkdown(`[${label}]`)} ${markdown ?? escapeMarkdown(text)}`,
    };
    return label;
  };
  const addComment = (element: XmlElement) => context.comments.push(...commentOf(element, context));

  const story: Story = {
    element: (element) => write(element, undefined, 0),
    add(blocks) {
      endCode();
      for (const block of blocks) if (block.type !== "table" || context.includeTables) flow.push(block);
    },
    finish() {
      endCode();
      return flow.finish();
    },
  };
  return story;
}

/** The blocks of elements that are in memory as a whole. */
export function readStory(content: Iterable<XmlElement>, context: OdfContext): Block[] {
  const story = createStory(context);
  for (const element of content) story.element(element);
  return story.finish();
}

function readTable(element: XmlElement, context: OdfContext): Block[] {
  const table = createTable(context, (cell) => readStory(elements(cell), context));
  const walk = (parent: XmlElement, inHeader: boolean): void => {
    for (const each of elements(parent)) {
      if (each.name === "table:table-row") table.row(each, inHeader);
      else if (/^table:table-(?:rows|row-group|header-rows)$/.test(each.name))
        walk(each, inHeader || each.name === "table:table-header-rows");
    }
  };
  walk(element, false);
  return table.finish();
}

function headingLevel(outline: number | undefined, role: string | undefined): number | undefined {
  if (outline !== undefined) return Math.min(6, Math.max(1, outline));
  return role === "title" ? 1 : role === "subtitle" ? 2 : undefined;
}

/** The number before a heading, counted as the outline style of the document says. */
function headingNumber(element: XmlElement, context: OdfContext): string {
  const outline = context.styles.outline();
  const level = Number(element.attributes["text:outline-level"] ?? 1) - 1;
  if (
    outline === undefined ||
    !outline.isOrdered(level) ||
    element.attributes["text:is-list-header"] === "true"
  )
    return "";
  const style = context.styles.paragraph(element.attributes["text:style-name"]);
  // An empty list style takes a heading out of the numbering.
  if (style.listStyle === "") return "";
  const numbers = context.numbers.get("outline") ?? [];
  advance(numbers, level, outline, element.attributes["text:start-value"]);
  context.numbers.set("outline", numbers);
  return outline.marker(level, numbers);
}

function openList(
  element: XmlElement,
  outer: OpenList | undefined,
  level: number,
  context: OdfContext,
): OpenList {
  const name = element.attributes["text:style-name"];
  if (outer !== undefined && level > 0) {
    outer.numbers.length = Math.min(outer.numbers.length, level);
    return name === undefined ? outer : { ...outer, id: "", style: context.styles.list(name) ?? outer.style };
  }
  const id = `list ${name ?? ""}`;
  const goesOn =
    element.attributes["text:continue-numbering"] === "true" ||
    element.attributes["text:continue-list"] !== undefined;
  const numbers = goesOn ? [...(context.numbers.get(id) ?? [])] : [];
  return { style: context.styles.list(name), id, numbers };
}

function itemMarker(item: XmlElement, list: OpenList, level: number): string {
  // An item with only an inner list has neither number nor sign.
  const [first] = elements(item);
  if (item.name === "text:list-header" || first?.name === "text:list") return "";
  if (!list.style?.isOrdered(level)) return "-";
  advance(list.numbers, level, list.style, item.attributes["text:start-value"]);
  return list.style.marker(level, list.numbers);
}

function advance(numbers: number[], level: number, style: ListStyle, stated: string | undefined): void {
  numbers.length = Math.min(numbers.length, level + 1);
  while (numbers.length < level) numbers.push(style.start(numbers.length));
  const before = numbers[level];
  const set = Number(stated);
  if (stated !== undefined && Number.isInteger(set)) numbers[level] = set;
  else numbers[level] = before === undefined ? style.start(level) : before + 1;
}

function commentOf(element: XmlElement, context: OdfContext): Block[] {
  const text = [...elements(element)]
    .filter(({ name }) => name === "text:p" || name === "text:list")
    .map(textOf)
    .join(" ");
  context.budget.spend(text.length);
  if (text.trim() === "") return [];
  const author = textOf(child(element, "dc:creator")).trim();
  return [commentBlock({ author, time: textOf(child(element, "dc:date")).trim(), text })];
}

function codeText(element: XmlElement): string {
  let text = "";
  for (const node of element.children) {
    if (typeof node === "string") text += node.replace(/\s+/g, " ");
    else if (node.name === "text:s")
      text += " ".repeat(Math.min(200, Number(node.attributes["text:c"] ?? 1) || 1));
    else if (node.name === "text:tab") text += "\t";
    else if (node.name === "text:line-break") text += "\n";
    else if (node.name === "text:span" || node.name === "text:a") text += codeText(node);
  }
  return text;
}
