import type { Block, ListItem } from "../../model.ts";
import { child, elements, type XmlElement } from "../../xml.ts";
import { append } from "../ooxml/append.ts";
import { paragraphSpans } from "../ooxml/drawing-text.ts";
import { inlineOf, type Span } from "../ooxml/inline.ts";
import { formatNumber } from "../ooxml/list-number.ts";
import type { Relationships } from "../ooxml/package.ts";
import { type Bullet, type Bullets, bulletOf, bulletsOf } from "./placeholders.ts";

/** What text on one slide needs to be read. */
export interface TextContext {
  relationships: Relationships;
  page: number;
  onLink(target: string): void;
}

/** The paragraphs of a text body as paragraphs, lists and formulas. */
export function textBlocks(
  body: XmlElement | undefined,
  inherited: readonly Bullets[],
  context: TextContext,
): Block[] {
  const { page } = context;
  const styles = [bulletsOf(child(body, "a:lstStyle")), ...inherited];
  const counts = createCounts();
  const blocks: Block[] = [];
  let list: Extract<Block, { type: "list" }> | undefined;
  for (const paragraph of elements(body, "a:p")) {
    const properties = child(paragraph, "a:pPr");
    const level = Math.min(8, Math.max(0, Math.trunc(Number(properties?.attributes.lvl ?? 0)) || 0));
    const spans = paragraphSpans(paragraph, context.relationships, context.onLink);
    const line = inlineOf(spans);
    if (line.text === "") continue;
    const bullet = bulletOf(properties) ?? styles.map((style) => style.get(level)).find((found) => found);
    if (bullet === undefined || bullet.kind === "none") {
      list = undefined;
      counts.reset();
      append(blocks, plainBlocks(spans, line, page));
      continue;
    }
    const ordered = bullet.kind === "number";
    const marker = counts.next(level, bullet);
    const item: ListItem = { level, ...line };
    if (marker !== undefined) item.marker = marker;
    if (list === undefined || (level === 0 && list.ordered !== ordered)) {
      list = { type: "list", ordered, items: [], page };
      blocks.push(list);
    }
    list.items.push(item);
  }
  return blocks;
}

/** All text of a body in one line, as a title is read. */
export function titleLine(body: XmlElement | undefined, context: TextContext) {
  const spans: Span[] = [];
  for (const paragraph of elements(body, "a:p")) {
    spans.push({ text: " " });
    for (const { bold: _bold, italic: _italic, ...span } of paragraphSpans(
      paragraph,
      context.relationships,
      context.onLink,
    )) {
      spans.push(span);
    }
  }
  const { text, markdown } = inlineOf(spans);
  const line = { text: text.replace(/\s+/g, " ") };
  return markdown === undefined ? line : { ...line, markdown: markdown.replace(/\s+/g, " ") };
}

function plainBlocks(
  spans: readonly Span[],
  line: { text: string; markdown?: string },
  page: number,
): Block[] {
  const formulas = spans.filter((span) => span.formula);
  if (formulas.length > 0 && spans.every((span) => span.formula || span.text.trim() === "")) {
    return formulas.map(({ text }) => ({ type: "formula", text, page }));
  }
  return [{ type: "paragraph", ...line, page }];
}

/** Numbers go on at their level until a paragraph of a higher level or without a number comes. */
function createCounts() {
  const counts: ({ scheme: string; next: number } | undefined)[] = [];
  return {
    reset: () => {
      counts.length = 0;
    },
    next(level: number, bullet: Bullet): string | undefined {
      counts.length = Math.min(counts.length, level + 1);
      if (bullet.kind !== "number") {
        counts[level] = undefined;
        return undefined;
      }
      const count = counts[level];
      const isSame = count?.scheme === bullet.scheme;
      const number = isSame && count ? count.next : bullet.start;
      counts[level] = { scheme: bullet.scheme, next: number + 1 };
      return numberMarker(number, bullet.scheme);
    },
  };
}

const SCHEMES: readonly [start: string, format: string][] = [
  ["alphaLc", "lowerLetter"],
  ["alphaUc", "upperLetter"],
  ["romanLc", "lowerRoman"],
  ["romanUc", "upperRoman"],
  ["circleNum", "decimalEnclosedCircle"],
  ["ea1", "chineseCounting"],
];

function numberMarker(number: number, scheme: string): string {
  const format = SCHEMES.find(([start]) => scheme.startsWith(start))?.[1] ?? "decimal";
  const text = formatNumber(number, format);
  if (scheme.endsWith("ParenBoth")) return `(${text})`;
  if (scheme.endsWith("ParenR")) return `${text})`;
  return scheme.endsWith("Plain") ? text : `${text}.`;
}
