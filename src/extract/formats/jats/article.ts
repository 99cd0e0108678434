import { createFlow, type Flow, type OutputBudget } from "../../flow.ts";
import { MEDIA } from "../../media-types.ts";
import type { Block, ChildDocument } from "../../model.ts";
import { child, descendants, elements, textOf, type XmlElement } from "../../xml.ts";
import { frontMatter } from "./front.ts";
import { formulaText, writeInline } from "./inline.ts";
import { lineOf } from "./line.ts";
import { referenceText } from "./references.ts";
import { jatsTable } from "./table.ts";

export interface JatsOptions {
  includeTables: boolean;
  budget: OutputBudget;
}

/** An article as it is printed: title, authors, abstracts, sections, back matter, references. */
export function jatsBlocks(article: XmlElement, options: JatsOptions): Block[] {
  const flow = createFlow(options.budget);
  const writer = articleWriter(options);
  const { title, authors, affiliations } = frontMatter(article);
  flow.text(title);
  flow.endHeading(1);
  for (const line of [authors.join(", "), affiliations.join("; ")]) {
    flow.text(line);
    flow.endParagraph();
  }
  const meta = child(article, "front", "article-meta") ?? child(article, "front-stub");
  for (const part of elements(meta)) {
    if (part.name === "abstract" || part.name === "trans-abstract") writer.section(part, 2, flow, "Abstract");
  }
  for (const part of ["body", "back", "floats-group"]) {
    for (const each of elements(child(article, part))) writer.block(each, 2, flow);
  }
  return flow.finish();
}

/** Decision letters, replies, translations: articles of their own within the article. */
export function jatsChildren(article: XmlElement, options: JatsOptions): ChildDocument[] {
  return [...elements(article)]
    .filter((part) => part.name === "sub-article" || part.name === "response")
    .map((part) => ({
      name: frontMatter(part).title || part.attributes["article-type"] || part.name,
      mediaType: MEDIA.jats,
      sizeBytes: Buffer.byteLength(textOf(part)),
      blocks: jatsBlocks(part, options),
    }));
}

const SECTIONS: Readonly<Record<string, string>> = {
  sec: "",
  ack: "Acknowledgements",
  app: "Appendix",
  "boxed-text": "",
  glossary: "Glossary",
  notes: "",
  bio: "",
  statement: "",
  "fn-group": "",
  "ref-list": "References",
  "app-group": "",
  "verse-group": "",
};
const UNSHOWN = new Set([
  "title",
  "label",
  "object-id",
  "graphic",
  "media",
  "permissions",
  "sec-meta",
  "alt-text",
  "long-desc",
  "kwd-group",
  "counts",
]);

function articleWriter(options: JatsOptions) {
  function section(element: XmlElement, level: number, flow: Flow, fallback = ""): void {
    flow.endParagraph();
    const title = child(element, "title") ?? child(element, "caption", "title");
    const label = lineOf(child(element, "label"));
    if (label !== "") flow.text(`${label} `);
    if (title) writeInline(title, {}, flow, () => false);
    else flow.text(fallback);
    flow.endHeading(Math.min(6, level));
    if (element.name === "ref-list") references(element, flow);
    if (element.name === "fn-group") footnotes(element, flow);
    for (const each of elements(element)) {
      if (!/^(ref|fn)$/.test(each.name)) block(each, level + 1, flow);
    }
  }

  /** Writes an element that stands for itself; false if it is inline. */
  function block(element: XmlElement, level: number, flow: Flow): boolean {
    const { name } = element;
    const inside = () =>
      writeInline(element, {}, flow, (inner, into) => isBlock(inner) && block(inner, level, into));
    if (UNSHOWN.has(name)) return true;
    if (name in SECTIONS) section(element, level, flow, SECTIONS[name]);
    else if (name === "p") {
      flow.endParagraph();
      inside();
      flow.endParagraph();
    } else if (name === "list" || name === "def-list") list(element, level, flow);
    else if (name === "table-wrap") tableWrap(element, level, flow);
    else if (name === "fig" || name === "supplementary-material") figure(element, level, flow);
    else if (name === "disp-formula") flow.push({ type: "formula", text: formulaText(element) });
    else if (name === "code" || name === "preformat") flow.push({ type: "code", text: textOf(element) });
    else if (name === "disp-quote" || name === "verse-line" || name === "attrib") {
      flow.openQuote();
      inside();
      flow.closeQuote();
    } else if (isBlock(element)) for (const each of elements(element)) block(each, level, flow);
    else {
      inside();
      flow.endParagraph();
    }
    return true;
  }

  function list(element: XmlElement, level: number, flow: Flow): void {
    flow.openList(/order|roman|alpha/.test(element.attributes["list-type"] ?? ""));
    for (const item of elements(element)) {
      if (item.name !== "list-item" && item.name !== "def-item") continue;
      const label = lineOf(child(item, "label"));
      flow.openItem(label === "" ? undefined : label);
      for (const part of elements(item)) {
        if (part.name === "term") writeInline(part, { bold: true }, flow, () => false);
        else if (part.name === "def") for (const each of elements(part)) block(each, level, flow);
        else block(part, level, flow);
        flow.endParagraph();
      }
      flow.closeItem();
    }
    flow.closeList();
  }

  function captionOf(element: XmlElement): string {
    const caption = child(element, "caption");
    const parts = [child(element, "label"), child(caption, "title"), ...elements(caption, "p")];
    return parts.map(lineOf).filter(Boolean).join(" ");
  }

  function figure(element: XmlElement, level: number, flow: Flow): void {
    flow.endParagraph();
    flow.text(captionOf(element));
    flow.endParagraph();
    for (const each of elements(element)) {
      if (!/^(caption|label|attrib|alternatives)$/.test(each.name)) block(each, level, flow);
    }
    const [graphic] = descendants(element, "graphic");
    const target = graphic?.attributes["xlink:href"];
    if (target) flow.push({ type: "image", alt: lineOf(child(element, "alt-text")), target });
  }

  function tableWrap(element: XmlElement, level: number, flow: Flow): void {
    const caption = captionOf(element);
    flow.endParagraph();
    for (const table of descendants(element, "table")) {
      const found = jatsTable(table, caption, (cell) => cellBlocks(cell, level));
      if (found && options.includeTables) flow.push(found);
    }
    if (!options.includeTables) return;
    for (const foot of elements(element, "table-wrap-foot")) footnotes(foot, flow);
  }

  function cellBlocks(cell: XmlElement, level: number): Block[] {
    const flow = createFlow(options.budget);
    writeInline(cell, {}, flow, (inner, into) => isBlock(inner) && block(inner, level, into));
    return flow.finish();
  }

  function footnotes(element: XmlElement, flow: Flow): void {
    const notes = [...descendants(element, "fn")];
    if (notes.length === 0 && element.name === "table-wrap-foot")
      for (const each of elements(element)) block(each, 6, flow);
    flow.openList(false);
    for (const note of notes) {
      const label = lineOf(child(note, "label"));
      flow.openItem(label === "" ? undefined : label);
      for (const each of elements(note)) block(each, 6, flow);
      flow.closeItem();
    }
    flow.closeList();
  }

  function references(element: XmlElement, flow: Flow): void {
    flow.openList(false);
    for (const ref of elements(element, "ref")) {
      const label = lineOf(child(ref, "label")).replace(/[[\].]/g, "");
      flow.openItem(label === "" ? undefined : `${label}.`);
      flow.text(referenceText(ref));
      flow.closeItem();
    }
    flow.closeList();
  }

  return { section, block };
}

const BLOCKS = new Set(
  "p list def-list table-wrap table-wrap-group fig fig-group disp-formula disp-formula-group disp-quote verse-line attrib code preformat supplementary-material alternatives table-wrap-foot".split(
    " ",
  ),
);
const isBlock = (element: XmlElement) =>
  BLOCKS.has(element.name) || element.name in SECTIONS || UNSHOWN.has(element.name);
