import type { PageContent } from "./geometry.ts";
import type { Paragraph } from "./paragraphs.ts";

/** How the running text of the whole document looks; headings are told by their difference from it. */
export interface Typography {
  body: number;
  bodyBold: boolean;
  bodyMono: boolean;
  /** Sizes clearly above the body's, the largest first, at most four. */
  sizes: number[];
}

const MAX_HEADING_LENGTH = 220;
const MAX_HEADING_LINES = 3;

/** Measures the body text over all pages: the size that most characters have. */
export function measure(pages: readonly PageContent[]): Typography {
  const weights = new Map<number, number>();
  let [bold, mono, total] = [0, 0, 0];
  for (const segment of pages.flatMap((page) => page.groups.flat())) {
    const size = Math.round(segment.size * 2) / 2;
    weights.set(size, (weights.get(size) ?? 0) + segment.weight);
    total += segment.weight;
    if (segment.bold) bold += segment.weight;
    if (segment.mono) mono += segment.weight;
  }
  let body = 10;
  for (const [size, weight] of weights) {
    const best = weights.get(body) ?? 0;
    if (weight > best || (weight === best && size < body)) body = size;
  }
  const sizes: number[] = [];
  for (const size of [...weights.keys()].filter((s) => s >= body * 1.12).sort((a, b) => b - a)) {
    if (sizes.length < 4 && (sizes.at(-1) ?? Number.POSITIVE_INFINITY) > size * 1.07) sizes.push(size);
  }
  return { body, bodyBold: bold > 0.5 * total, bodyMono: mono > 0.5 * total, sizes };
}

/** The level of a paragraph that is a heading, by its structure tag, its size, or its weight; undefined for the others. */
export function headingLevel(paragraph: Paragraph, typography: Typography): number | undefined {
  const { text, tag } = paragraph;
  const letters = text.replace(/[^\p{L}]/gu, "").length;
  if (tag !== undefined) {
    if (letters > 0 && text.length <= 2 * MAX_HEADING_LENGTH) {
      if (tag === "Title" || tag === "H") return 1;
      if (/^H[1-6]$/u.test(tag)) return Number(tag[1]);
    }
    if (tag !== "LI" && tag !== "LBody") return undefined;
  }
  if (letters < 2 || text.length > MAX_HEADING_LENGTH || paragraph.lines.length > MAX_HEADING_LINES)
    return undefined;
  if (/[,;]$/u.test(text) || /(?: \.){4,}|\.{5,}/u.test(text)) return undefined;
  const rank = typography.sizes.findIndex((size) => paragraph.size >= size * 0.96);
  if (rank >= 0) return rank + 1;
  const strong = paragraph.bold && !typography.bodyBold && paragraph.size >= typography.body * 0.95;
  if (!strong || paragraph.lines.length > 2 || text.length > 120 || /[.:]$/u.test(text)) return undefined;
  const number = /^(?:\d+\.)*\d+(?=[.\s])/u.exec(text)?.[0];
  const depth = number === undefined ? 0 : number.split(".").length - 1;
  return Math.min(6, Math.max(1, typography.sizes.length + 1) + depth);
}
