import type { Flow } from "../../flow.ts";
import type { Style } from "../../inline.ts";
import { child, elements, textOf, type XmlElement } from "../../xml.ts";
import { MAX_LINKS, type OdfContext } from "./context.ts";

/** What a paragraph holds that stands beside its text. */
export interface InlineReader {
  flow: Flow;
  context: OdfContext;
  /** Text boxes, tables and objects anchored in the paragraph; they follow it. */
  attached: XmlElement[];
  /** A foot- or endnote; returns its label. */
  note(element: XmlElement): string;
  comment(element: XmlElement): void;
}

/** Marks, indexes and fields that have no text of their own, or one that the reader does not see. */
const SILENT =
  /^text:(?:tracked-changes|note-citation|bookmark.*|reference-mark-(?:start|end)|change.*|soft-page-break|alphabetical-index-mark.*|toc-mark.*|user-index-mark.*|ruby-text)$|^office:(?:forms|annotation-end)$|^svg:|^presentation:/;
const MAX_BLANKS = 100;

/** Writes the content of a paragraph, heading or span into the flow. */
export function writeInline(parent: XmlElement, style: Style, reader: InlineReader): void {
  for (const node of parent.children) {
    if (typeof node === "string") reader.flow.text(node, style);
    else writeElement(node, style, reader);
  }
}

function writeElement(element: XmlElement, style: Style, reader: InlineReader): void {
  const { flow, context } = reader;
  const { name, attributes } = element;
  switch (name) {
    case "text:span": {
      const look = context.styles.text(attributes["text:style-name"]);
      writeInline(element, { ...style, ...look }, reader);
      return;
    }
    case "text:a":
    case "draw:a": {
      const target = (attributes["xlink:href"] ?? "").trim();
      const leads = target !== "" && !/^javascript:/i.test(target);
      if (/^(?:https?|mailto|ftp):/i.test(target) && context.links.size < MAX_LINKS)
        context.links.add(target);
      writeInline(element, leads ? { ...style, link: target } : style, reader);
      return;
    }
    case "text:s":
      flow.exact(
        " ".repeat(Math.min(MAX_BLANKS, Math.max(1, Number(attributes["text:c"] ?? 1) || 1))),
        style,
      );
      return;
    case "text:tab":
      flow.exact(" ", style);
      return;
    case "text:line-break":
      flow.exact("\n", style);
      return;
    case "text:note":
      flow.exact(`[${reader.note(element)}]`, style);
      return;
    case "office:annotation":
      reader.comment(element);
      return;
    case "text:ruby": {
      const guide = textOf(child(element, "text:ruby-text")).trim();
      writeInline(element, style, reader);
      if (guide !== "") flow.exact(`(${guide})`, style);
      return;
    }
    case "draw:frame":
      writeFrame(element, style, reader);
      return;
    default:
      if (name.startsWith("draw:")) reader.attached.push(element);
      else if (!SILENT.test(name)) writeInline(element, style, reader);
  }
}

/** A picture stands in the line; boxes, tables and objects come after the paragraph. */
function writeFrame(frame: XmlElement, style: Style, reader: InlineReader): void {
  const image = child(frame, "draw:image");
  const holdsMore = [...elements(frame)].some(({ name }) =>
    /^(?:draw:text-box|draw:object|table:table)$/.test(name),
  );
  if (holdsMore || image === undefined) {
    reader.attached.push(frame);
    return;
  }
  reader.flow.image(frameLabel(frame), image.attributes["xlink:href"] ?? "", style);
}

/** What the author says that a picture or object shows. */
export function frameLabel(frame: XmlElement): string {
  const parts = [child(frame, "svg:title"), child(frame, "svg:desc")].map((part) => textOf(part).trim());
  return [...new Set(parts)].filter((part) => part !== "").join(": ");
}
