import { type Line, linePitch } from "./lines.ts";
import { markerOf, UNKNOWN_SIGN } from "./markers.ts";

/** Lines that read on from one to the next. */
export interface Paragraph {
  lines: Line[];
  text: string;
  size: number;
  bold: boolean;
  mono: boolean;
  tag?: string;
}

const SIGN_INSIDE = new RegExp(`(?<!^)${UNKNOWN_SIGN}`, "gu");
const SENTENCE_END = /[.!?:;…。！？：؟۔]["'”’)\]»]*$/u;

/** Groups the lines of one region into paragraphs by distance, style, indentation, list markers and short last lines. */
export function toParagraphs(lines: readonly Line[], left: number, right: number): Paragraph[] {
  const pitch = linePitch(lines);
  const groups: Line[][] = [];
  for (const line of lines) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    if (group === undefined || last === undefined || breaks(group, last, line, { pitch, left, right }))
      groups.push([line]);
    else group.push(line);
  }
  return groups.map(toParagraph);
}

function breaks(
  group: readonly Line[],
  last: Line,
  line: Line,
  region: { pitch: number; left: number; right: number },
): boolean {
  const size = Math.max(last.size, line.size);
  const small = Math.min(last.size, line.size);
  const distance = line.baseline - last.baseline;
  if (last.tag !== line.tag && (isStructural(last.tag) || isStructural(line.tag))) return true;
  if (distance > region.pitch * 1.32 * size || distance < -0.3 * size) return true;
  if (size - small > 0.12 * size && line.weight > 3 && last.weight > 3) return true;
  if (last.bold !== line.bold && last.weight > 3 && line.weight > 3 && !(group.length > 1 && last.bold))
    return true;
  if (last.mono !== line.mono) return true;
  if (markerOf(line.text) !== undefined) return true;
  const width = region.right - region.left;
  const [start, end] = line.rtl
    ? [region.right - line.x1, region.right - last.x1]
    : [line.x0 - region.left, last.x0 - region.left];
  const room = last.rtl ? last.x0 - region.left : region.right - last.x1;
  const inList = markerOf(group[0]?.text ?? "") !== undefined;
  if (inList) {
    const first = group[0] as Line;
    const outdent = line.rtl ? line.x1 > first.x1 + 0.5 * size : line.x0 < first.x0 - 0.5 * size;
    const back = line.rtl ? line.x1 > last.x1 - 0.5 * size : line.x0 < last.x0 - 0.8 * size;
    if (outdent || (back && group.length > 1)) return true;
    return room > 0.3 * width && SENTENCE_END.test(last.text) && start <= 0.5 * size;
  }
  if (SENTENCE_END.test(last.text) && room > Math.max(0.12 * width, 2 * size)) return true;
  if (start > end + 0.9 * size && start < 5 * size && (SENTENCE_END.test(last.text) || room > 0.2 * width))
    return true;
  return false;
}

function isStructural(tag: string | undefined): boolean {
  return tag !== undefined && tag !== "LBody" && tag !== "Lbl" && tag !== "LI";
}

function toParagraph(lines: Line[]): Paragraph {
  const weight = (pick: (line: Line) => boolean) =>
    lines.reduce((sum, l) => sum + (pick(l) ? l.weight : 0), 0);
  const total = Math.max(
    1,
    weight(() => true),
  );
  const tag = lines.find((l) => l.tag !== undefined)?.tag;
  return {
    lines,
    text: joinLines(lines.map((l) => l.text)),
    size: lines.reduce((best, l) => (l.weight > best.weight ? l : best)).size,
    bold: weight((l) => l.bold) > 0.8 * total,
    mono: weight((l) => l.mono) > 0.9 * total,
    ...(tag === undefined ? {} : { tag }),
  };
}

/**
 * Joins the lines of a paragraph by one space. Between a hyphen and a letter the line ends in the text too ("exam-\nple"): whether it
 * joins a word is for the normalize stage to decide. Chinese and Japanese lines join without a space.
 */
export function joinLines(texts: readonly string[]): string {
  let joined = "";
  for (const text of texts) {
    if (joined === "") joined = text;
    else joined += separator(joined, text) + text;
  }
  return joined.replace(SIGN_INSIDE, "").replace(/ {2,}/gu, " ").trim();
}

function separator(before: string, text: string): string {
  if (/[\u3040-\u30ff\u3400-\u9fff]$/u.test(before) && /^[\u3040-\u30ff\u3400-\u9fff]/u.test(text)) return "";
  return /\p{L}[-\u2010\u00ad]$/u.test(before) && /^\p{L}/u.test(text) ? "\n" : " ";
}

/** True when a paragraph that ends a column goes on at the top of the next one. */
export function continues(before: Paragraph, after: Paragraph): boolean {
  if (before.tag !== after.tag || before.bold !== after.bold || before.mono || after.mono) return false;
  if (Math.abs(before.size - after.size) > 0.08 * before.size || SENTENCE_END.test(before.text)) return false;
  return /^\p{Ll}/u.test(after.text) && markerOf(after.text) === undefined && before.text.length > 40;
}

/** Joins two paragraphs that are one. */
export function merge(before: Paragraph, after: Paragraph): Paragraph {
  return { ...before, lines: [...before.lines, ...after.lines], text: joinLines([before.text, after.text]) };
}
