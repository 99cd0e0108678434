import { repairBrackets } from "./arabic.ts";
import { type Box, median, type Row, type Segment } from "./geometry.ts";

/** A row of one region as text. */
export interface Line extends Box {
  text: string;
  baseline: number;
  size: number;
  bold: boolean;
  mono: boolean;
  rtl: boolean;
  weight: number;
  tag?: string;
  segments: Segment[];
}

/** Joins the segments of a row in reading order: from the right where most letters run that way. */
export function toLine(row: Row): Line {
  const weight = row.segments.reduce((sum, s) => sum + s.weight, 0);
  const share = (pick: (s: Segment) => boolean) =>
    row.segments.reduce((sum, s) => sum + (pick(s) ? s.weight : 0), 0) / Math.max(1, weight);
  const rtl = share((s) => s.rtl) > 0.4;
  const ordered = rtl ? rightToLeft(row.segments) : row.segments;
  let text = "";
  let last: Segment | undefined;
  for (const segment of ordered) {
    if (last !== undefined && needsSpace(last, segment)) text += " ";
    text += segment.text;
    last = segment;
  }
  const tag = row.segments.find((s) => s.tag !== undefined)?.tag;
  return {
    x0: row.x0,
    x1: row.x1,
    y0: row.y0,
    y1: row.y1,
    text: rtl ? repairBrackets(text) : text,
    baseline: row.baseline,
    size: main(row.segments).size,
    bold: share((s) => s.bold) > 0.6,
    mono: share((s) => s.mono) > 0.8,
    rtl,
    weight,
    segments: ordered,
    ...(tag === undefined ? {} : { tag }),
  };
}

function main(segments: readonly Segment[]): Segment {
  return segments.reduce((best, s) => (s.weight > best.weight ? s : best));
}

/** Right-to-left order in which neighbouring left-to-right pieces keep theirs. */
function rightToLeft(segments: readonly Segment[]): Segment[] {
  const sorted = segments.toSorted((a, b) => b.x1 - a.x1 || a.order - b.order);
  const out: Segment[] = [];
  let run: Segment[] = [];
  for (const segment of sorted) {
    if (segment.rtl) {
      out.push(...run.reverse(), segment);
      run = [];
    } else run.push(segment);
  }
  out.push(...run.reverse());
  return out;
}

function needsSpace(last: Segment, next: Segment): boolean {
  const gap = Math.max(next.x0 - last.x1, last.x0 - next.x1);
  return gap > 0.12 * Math.min(last.size, next.size) || gap < -0.5 * Math.min(last.size, next.size);
}

/** Usual distance between the baselines of neighbouring lines; 1.2 of the size where there is nothing to measure. */
export function linePitch(lines: readonly Line[]): number {
  const distances: number[] = [];
  for (let i = 1; i < lines.length; i += 1) {
    const [a, b] = [lines[i - 1] as Line, lines[i] as Line];
    const distance = b.baseline - a.baseline;
    if (Math.abs(a.size - b.size) < 0.1 * a.size && distance > 0.5 * a.size && distance < 2.6 * a.size)
      distances.push(distance / a.size);
  }
  return distances.length === 0
    ? 1.2
    : (distances.toSorted((a, b) => a - b)[Math.floor(distances.length * 0.4)] ?? median(distances));
}
