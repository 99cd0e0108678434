import { child, descendants, elements, textOf, type XmlElement } from "../../xml.ts";
import { alternatives } from "../ooxml/alternatives.ts";
import { append } from "../ooxml/append.ts";
import type { Span } from "../ooxml/inline.ts";
import { roman } from "../ooxml/list-number.ts";
import { formulaLatex } from "../ooxml/omml.ts";
import type { DocxContext, PartReference } from "./context.ts";
import { type CharacterStyle, isMonospaced, runLook } from "./styles.ts";
import { symbolCharacter } from "./symbols.ts";

/** What hangs on a paragraph without being in its line of text. */
export type Attachment =
  | PartReference
  | { type: "image"; alt: string; target?: string }
  /** A text box: content of block level. */
  | { type: "box"; content: XmlElement };

/** A paragraph's content, taken apart. */
export interface ParagraphContent {
  spans: Span[];
  attachments: Attachment[];
  breakBefore: boolean;
  breakAfter: boolean;
  /** All text is set in a font of fixed width. */
  monospaced: boolean;
}

/** A field is an instruction, then what it shows; fields may reach over paragraphs and nest. */
interface Field {
  instruction: string;
  showing: boolean;
  link?: string;
}

export interface ParagraphReader {
  read(paragraph: XmlElement): ParagraphContent;
}

const MAX_FIELDS = 64;
const MAX_LINKS = 10_000;

/** Reads the paragraphs of one story in order; fields stay open from one to the next. */
export function createParagraphReader(context: DocxContext): ParagraphReader {
  const fields: Field[] = [];

  return {
    read(paragraph) {
      const style = context.styles.paragraph(child(paragraph, "w:pPr", "w:pStyle")?.attributes["w:val"]);
      const content: ParagraphContent = {
        spans: [],
        attachments: [],
        breakBefore: false,
        breakAfter: false,
        monospaced: false,
      };
      let fixed = 0;
      let proportional = 0;

      const isShown = () => fields.every((field) => field.showing);
      const add = (span: Span) => {
        if (isShown()) content.spans.push(span);
      };

      const walk = (parent: XmlElement, link: string | undefined): void => {
        for (const element of elements(parent)) {
          switch (element.name) {
            case "w:pPr":
            case "w:del":
            case "w:moveFrom":
            case "w:sdtPr":
            case "w:rt":
              break;
            case "w:r":
              run(element, link);
              break;
            case "w:hyperlink":
              walk(element, hyperlink(element) ?? link);
              break;
            case "w:fldSimple":
              walk(element, linkOfField(element.attributes["w:instr"] ?? "") ?? link);
              break;
            case "m:oMath":
              add({ text: formulaLatex(element), formula: true });
              break;
            case "mc:AlternateContent":
              for (const branch of alternatives(element)) walk(branch, link);
              break;
            default:
              walk(element, link);
          }
        }
      };

      const hyperlink = (element: XmlElement): string | undefined => {
        const target = context.relationships.get(element.attributes["r:id"] ?? "");
        if (!target?.external) return undefined;
        if (context.links.size < MAX_LINKS) context.links.add(target.target);
        return target.target;
      };

      const run = (element: XmlElement, outerLink: string | undefined): void => {
        const properties = child(element, "w:rPr");
        const styleId = child(properties, "w:rStyle")?.attributes["w:val"];
        const look: CharacterStyle = { ...context.styles.character(styleId), ...runLook(properties) };
        if (look.hidden) return;
        const code = isMonospaced(look.font);
        const link = outerLink ?? fields.findLast((field) => field.link !== undefined)?.link;
        const write = (text: string) => {
          if (text === "") return;
          if (text.trim() !== "") {
            if (isMonospaced(look.font ?? style.font)) fixed += 1;
            else proportional += 1;
          }
          const span: Span = { text };
          if (look.bold) span.bold = true;
          if (look.italic) span.italic = true;
          if (look.strike) span.strike = true;
          if (code) span.code = true;
          if (look.raised && look.raised !== "none") span.raised = look.raised;
          if (link !== undefined) span.link = link;
          add(span);
        };
        runContent(element, write);
      };

      const runContent = (parent: XmlElement, write: (text: string) => void): void => {
        for (const element of elements(parent)) {
          switch (element.name) {
            case "w:t":
              write(textOf(element));
              break;
            case "w:tab":
            case "w:ptab":
              write("\t");
              break;
            case "w:cr":
              write("\n");
              break;
            case "w:br":
              if (element.attributes["w:type"] === "page") pageBreak();
              else write("\n");
              break;
            case "w:noBreakHyphen":
              write("-");
              break;
            case "w:sym":
              write(symbolCharacter(element.attributes["w:font"] ?? "", element.attributes["w:char"] ?? ""));
              break;
            case "w:footnoteReference":
              note(context.notes.footnotes, element, String);
              break;
            case "w:endnoteReference":
              note(context.notes.endnotes, element, roman);
              break;
            case "w:commentReference":
              if (isShown()) context.notes.comments.push(element.attributes["w:id"] ?? "");
              break;
            case "w:fldChar":
              fieldCharacter(element.attributes["w:fldCharType"] ?? "");
              break;
            case "w:instrText": {
              const field = fields.at(-1);
              if (field && !field.showing) field.instruction += textOf(element);
              break;
            }
            case "w:ruby":
              for (const base of elements(element, "w:rubyBase")) walk(base, undefined);
              break;
            case "w:drawing":
            case "w:pict":
            case "w:object":
              drawing(element);
              break;
            case "mc:AlternateContent":
              for (const branch of alternatives(element)) runContent(branch, write);
              break;
          }
        }
      };

      const pageBreak = () => {
        if (content.spans.some((span) => span.text.trim() !== "")) content.breakAfter = true;
        else content.breakBefore = true;
      };

      const note = (list: string[], element: XmlElement, label: (number: number) => string) => {
        const id = element.attributes["w:id"];
        if (id === undefined || !isShown()) return;
        let index = list.indexOf(id);
        if (index < 0) index = list.push(id) - 1;
        add({ text: label(index + 1), note: true });
      };

      const fieldCharacter = (type: string) => {
        const field = fields.at(-1);
        if (type === "begin") {
          if (fields.length < MAX_FIELDS) fields.push({ instruction: "", showing: false });
        } else if (type === "separate" && field !== undefined) {
          field.showing = true;
          const link = linkOfField(field.instruction);
          if (link !== undefined) field.link = link;
        } else if (type === "end") {
          fields.pop();
        }
      };

      const linkOfField = (instruction: string): string | undefined => {
        const link = /^\s*HYPERLINK\s+"([^"]+)"/i.exec(instruction)?.[1];
        if (link !== undefined && context.links.size < MAX_LINKS) context.links.add(link);
        return link;
      };

      const drawing = (element: XmlElement) => {
        if (!isShown()) return;
        append(content.attachments, drawingContent(element, context));
      };

      walk(paragraph, undefined);
      content.monospaced = fixed > 0 && proportional === 0;
      return content;
    },
  };
}

function drawingContent(drawing: XmlElement, context: DocxContext): Attachment[] {
  const found: Attachment[] = [];
  const described = descendants(drawing, "wp:docPr").next().value;
  const alt = (described?.attributes.descr || described?.attributes.title || "").trim();
  let isDescribed = alt === "";
  const walk = (parent: XmlElement): void => {
    for (const element of elements(parent)) {
      const { name, attributes } = element;
      if (name === "w:txbxContent") {
        found.push({ type: "box", content: element });
      } else if (name === "c:chart" || name === "dgm:relIds") {
        const id = name === "c:chart" ? attributes["r:id"] : attributes["r:dm"];
        const target = context.relationships.get(id ?? "");
        const kind = name === "c:chart" ? "chart" : "diagram";
        if (target && !target.external) found.push({ type: "part", kind, part: target.target });
      } else if (name === "pic:pic") {
        const own = child(element, "pic:nvPicPr", "pic:cNvPr")?.attributes;
        const target = context.relationships.get(
          child(element, "pic:blipFill", "a:blip")?.attributes["r:link"] ?? "",
        );
        const shown = isDescribed ? (own?.descr ?? "").trim() : alt;
        isDescribed = true;
        found.push({ type: "image", alt: shown, ...(target?.external ? { target: target.target } : {}) });
      } else if (name === "v:imagedata") {
        found.push({ type: "image", alt: (attributes["o:title"] ?? "").trim() });
      } else if (name === "v:textpath" && attributes.string) {
        found.push({ type: "image", alt: attributes.string });
      } else if (name === "mc:AlternateContent") {
        for (const branch of alternatives(element)) walk(branch);
      } else {
        walk(element);
      }
    }
  };
  walk(drawing);
  return found;
}
