import { child, elements, type XmlElement } from "../../xml.ts";

/** What a paragraph's style, with all it is based on, says about its role. */
export interface ParagraphStyle {
  id: string;
  headingLevel?: number;
  role?: "code" | "quote";
  numId?: string;
  level?: number;
  pageBreakBefore?: boolean;
  font?: string;
}

export interface CharacterStyle {
  bold?: boolean;
  italic?: boolean;
  strike?: boolean;
  hidden?: boolean;
  raised?: "sup" | "sub" | "none";
  font?: string;
}

export interface Styles {
  /** By id; for undefined the document's default. */
  paragraph(id: string | undefined): ParagraphStyle;
  character(id: string | undefined): CharacterStyle;
}

const MAX_CHAIN = 32;

/** "Heading" as word processors name it in the languages they are translated to. */
const HEADING =
  /^(?:heading|überschrift|titre|título|titulo|titolo|kop|rubrik|overskrift|otsikko|nagłówek|nadpis|címsor|titlu|naslov|başlık|заголовок|επικεφαλίδα|εικόνα τίτλου|كعنوان|عنوان|כותרת|標題|标题|見出し|제목|หัวเรื่อง|đầu đề)\s*([1-9])(?:\s+char)?$/iu;
const TITLE = /^(?:title|titel|titre du document|τίτλος|название|标题|表題|제목)$/iu;
const CODE =
  /^(?:source code|source text|code|code block|codeblock|code snippet|program listing|html preformatted|preformatted(?: text)?|macro text|verbatim)$/i;
const QUOTE = /^(?:quote|intense quote|block quote|block text|quotations?|zitat|citation|cita)$/i;

/** Reads `styles.xml`; without one every paragraph is plain. */
export function readStyles(root: XmlElement | undefined): Styles {
  const defined = new Map<string, XmlElement>();
  let defaultParagraph: string | undefined;
  for (const style of elements(root, "w:style")) {
    const id = style.attributes["w:styleId"];
    if (id === undefined) continue;
    defined.set(id, style);
    const isDefault = /^(?:1|true|on)$/.test(style.attributes["w:default"] ?? "");
    if (isDefault && style.attributes["w:type"] === "paragraph") defaultParagraph = id;
  }
  const chain = (id: string | undefined): XmlElement[] => {
    const found: XmlElement[] = [];
    let style = id === undefined ? undefined : defined.get(id);
    while (style !== undefined && found.length < MAX_CHAIN) {
      found.push(style);
      style = defined.get(child(style, "w:basedOn")?.attributes["w:val"] ?? "");
    }
    return found;
  };

  const paragraphs = new Map<string, ParagraphStyle>();
  const characters = new Map<string, CharacterStyle>();
  return {
    paragraph(id = defaultParagraph ?? "") {
      let style = paragraphs.get(id);
      if (style === undefined) {
        style = paragraphStyle(id, chain(id));
        paragraphs.set(id, style);
      }
      return style;
    },
    character(id = "") {
      let style = characters.get(id);
      if (style === undefined) {
        style = {};
        for (const each of chain(id).reverse()) Object.assign(style, runLook(child(each, "w:rPr")));
        characters.set(id, style);
      }
      return style;
    },
  };
}

function paragraphStyle(id: string, chain: XmlElement[]): ParagraphStyle {
  const style: ParagraphStyle = { id };
  for (const each of chain.reverse()) {
    const name = (child(each, "w:name")?.attributes["w:val"] ?? "").trim();
    const properties = child(each, "w:pPr");
    const heading = HEADING.exec(name)?.[1];
    if (heading !== undefined) style.headingLevel = Number(heading);
    else if (TITLE.test(name)) style.headingLevel = 1;
    if (CODE.test(name)) style.role = "code";
    else if (QUOTE.test(name)) style.role = "quote";
    const outline = outlineLevel(properties);
    if (outline === 0) delete style.headingLevel;
    else if (outline !== undefined) style.headingLevel = outline;
    const numbering = child(properties, "w:numPr");
    const numId = child(numbering, "w:numId")?.attributes["w:val"];
    if (numId !== undefined) style.numId = numId;
    const level = Number(child(numbering, "w:ilvl")?.attributes["w:val"] ?? Number.NaN);
    if (Number.isInteger(level)) style.level = level;
    if (child(properties, "w:pageBreakBefore") !== undefined) {
      style.pageBreakBefore = isOn(child(properties, "w:pageBreakBefore"));
    }
    const font = runLook(child(each, "w:rPr")).font;
    if (font !== undefined) style.font = font;
  }
  return style;
}

/** The heading level that paragraph properties ask for: 1 to 9, 0 for body text, undefined without a word on it. */
export function outlineLevel(properties: XmlElement | undefined): number | undefined {
  const value = child(properties, "w:outlineLvl")?.attributes["w:val"];
  if (value === undefined) return undefined;
  const level = Number(value);
  return Number.isInteger(level) && level >= 0 && level < 9 ? level + 1 : 0;
}

/** The value of a property that is on by standing there. */
export function isOn(element: XmlElement | undefined): boolean {
  return element !== undefined && !/^(?:0|false|off|none)$/.test(element.attributes["w:val"] ?? "");
}

/** What run properties say themselves. */
export function runLook(properties: XmlElement | undefined): CharacterStyle {
  const look: CharacterStyle = {};
  for (const { name, attributes, children } of elements(properties)) {
    const on = () => isOn({ name, attributes, children });
    if (name === "w:b") look.bold = on();
    else if (name === "w:i") look.italic = on();
    else if (name === "w:strike" || name === "w:dstrike") look.strike = on();
    else if (name === "w:vanish") look.hidden = on();
    else if (name === "w:vertAlign") {
      const align = attributes["w:val"] ?? "";
      look.raised = align === "superscript" ? "sup" : align === "subscript" ? "sub" : "none";
    } else if (name === "w:rFonts") {
      const font = attributes["w:ascii"] ?? attributes["w:hAnsi"];
      if (font !== undefined) look.font = font;
    }
  }
  return look;
}

const MONOSPACED =
  /courier|consolas|\bmono|menlo|monaco|lucida console|inconsolata|fira code|source code|typewriter/i;

export const isMonospaced = (font: string | undefined) => font !== undefined && MONOSPACED.test(font);
