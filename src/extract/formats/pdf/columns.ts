import { median, type Row, type Segment, toRows, union } from "./geometry.ts";

const MAX_DEPTH = 12;
const MIN_ROWS = 3;
const MAX_CANDIDATES = 40;
/** Above this a page is no page of text, and looking for columns would take too long: rows from top to bottom. */
const MAX_SEGMENTS = 20_000;

/** A stretch of rows in one column, in reading order. */
export type Region = Row[];

interface Cut {
  above: Segment[];
  left: Segment[];
  right: Segment[];
  below: Segment[];
}

/**
 * Puts the segments of a page in reading order: cuts side-by-side columns apart wherever some rows leave the same
 * gutter free and both sides read as running text (or the content stream wrote one side after the other); what spans the
 * gutter stays between the columns above and below it. Loses nothing: every segment is in exactly one region.
 */
export function arrange(segments: readonly Segment[], rtl: boolean, depth = 0): Region[] {
  if (segments.length === 0) return [];
  const rows = toRows(segments);
  const cut = depth < MAX_DEPTH && segments.length <= MAX_SEGMENTS ? findCut(rows) : undefined;
  if (cut === undefined) return [rows];
  const sides = rtl ? [cut.right, cut.left] : [cut.left, cut.right];
  return [cut.above, ...sides, cut.below].flatMap((part) => arrange(part, rtl, depth + 1));
}

function findCut(rows: readonly Row[]): Cut | undefined {
  if (rows.length < MIN_ROWS) return undefined;
  let best: { score: number; from: number; to: number; at: number } | undefined;
  for (const at of gutters(rows)) {
    for (const [from, to] of freeRuns(rows, at.x0, at.x1)) {
      const run = trim(rows, from, to, at.x0);
      if (run === undefined) continue;
      const score = judge(rows.slice(run[0], run[1] + 1), at.x0);
      if (score > (best?.score ?? 0)) best = { score, from: run[0], to: run[1], at: at.x0 };
    }
  }
  if (best === undefined) return undefined;
  const inside = rows.slice(best.from, best.to + 1).flatMap((row) => row.segments);
  const { at } = best;
  return {
    above: rows.slice(0, best.from).flatMap((row) => row.segments),
    left: inside.filter((s) => isLeft(s, at)),
    right: inside.filter((s) => !isLeft(s, at)),
    below: rows.slice(best.to + 1).flatMap((row) => row.segments),
  };
}

function isLeft(segment: Segment, at: number): boolean {
  return (segment.x0 + segment.x1) / 2 < at;
}

/** Strips of free space before edges that several segments share: left edges, and right edges for right-to-left text. */
function gutters(rows: readonly Row[]): { x0: number; x1: number }[] {
  const segments = rows.flatMap((row) => row.segments);
  const width = Math.max(5, 0.55 * median(segments.map((s) => s.size)));
  const found: { x0: number; x1: number; votes: number }[] = [];
  const vote = (edges: number[], strip: (edge: number) => { x0: number; x1: number }) => {
    edges.sort((a, b) => a - b);
    for (let i = 0; i < edges.length; ) {
      const first = edges[i] as number;
      let j = i;
      while (j < edges.length && (edges[j] as number) - first <= 3) j += 1;
      if (j - i >= MIN_ROWS) found.push({ ...strip(first), votes: j - i });
      i = j;
    }
  };
  vote(
    segments.map((s) => s.x0),
    (edge) => ({ x0: edge - width - 1, x1: edge - 1 }),
  );
  vote(
    segments.map((s) => s.x1),
    (edge) => ({ x0: edge + 1, x1: edge + 1 + width }),
  );
  const box = union(rows);
  return found
    .filter((g) => g.x0 > box.x0 && g.x1 < box.x1)
    .sort((a, b) => b.votes - a.votes || a.x0 - b.x0)
    .slice(0, MAX_CANDIDATES);
}

/** Longest runs of rows that leave the strip free. */
function freeRuns(rows: readonly Row[], x0: number, x1: number): [number, number][] {
  const runs: [number, number][] = [];
  let from = -1;
  for (let i = 0; i <= rows.length; i += 1) {
    const row = rows[i];
    const free = row?.segments.every((s) => s.x1 <= x0 + 0.5 || s.x0 >= x1 - 0.5) ?? false;
    if (free && from < 0) from = i;
    if (!free && from >= 0) {
      if (i - from >= MIN_ROWS) runs.push([from, i - 1]);
      from = -1;
    }
  }
  return runs;
}

/** Cuts a run to the part where both sides go on: what stands far above or below one of them belongs to neither. */
function trim(rows: readonly Row[], from: number, to: number, at: number): [number, number] | undefined {
  const sides = (row: Row) => ({
    l: row.segments.some((s) => isLeft(s, at)),
    r: row.segments.some((s) => !isLeft(s, at)),
  });
  const index = { l: [] as number[], r: [] as number[] };
  for (let i = from; i <= to; i += 1) {
    const side = sides(rows[i] as Row);
    if (side.l) index.l.push(i);
    if (side.r) index.r.push(i);
  }
  if (index.l.length < MIN_ROWS || index.r.length < MIN_ROWS) return undefined;
  const pitch = median(rows.slice(from, to + 1).map((row) => row.size)) * 1.6;
  let start = Math.max(index.l[0] as number, index.r[0] as number);
  while (start > from && (rows[start] as Row).baseline - (rows[start - 1] as Row).baseline <= pitch)
    start -= 1;
  let end = Math.min(index.l.at(-1) as number, index.r.at(-1) as number);
  while (end < to && (rows[end + 1] as Row).baseline - (rows[end] as Row).baseline <= pitch * 1.5) end += 1;
  return end - start + 1 >= MIN_ROWS ? [start, end] : undefined;
}

/** 0 when the two sides are no columns, otherwise the more the more text they order. */
function judge(rows: readonly Row[], at: number): number {
  const left = rows.flatMap((row) => row.segments.filter((s) => isLeft(s, at)));
  const right = rows.flatMap((row) => row.segments.filter((s) => !isLeft(s, at)));
  const leftRows = toRows(left);
  const rightRows = toRows(right);
  if (leftRows.length < MIN_ROWS || rightRows.length < MIN_ROWS) return 0;
  const [l, r] = [union(left), union(right)];
  const shared = Math.min(l.y1, r.y1) - Math.max(l.y0, r.y0);
  if (shared < 0.4 * Math.min(l.y1 - l.y0, r.y1 - r.y0)) return 0;

  const proseLeft = isProse(leftRows, l.x1 - l.x0);
  const proseRight = isProse(rightRows, r.x1 - r.x0);
  const both = rows.filter(
    (row) => row.segments.some((s) => isLeft(s, at)) && row.segments.some((s) => !isLeft(s, at)),
  );
  const aligned = both.length / Math.min(leftRows.length, rightRows.length);
  const bySide = [
    ...left.map((s) => ({ order: s.order, side: 0 })),
    ...right.map((s) => ({ order: s.order, side: 1 })),
  ];
  bySide.sort((a, b) => a.order - b.order);
  let switches = 0;
  for (let i = 1; i < bySide.length; i += 1) if (bySide[i]?.side !== bySide[i - 1]?.side) switches += 1;
  const streamed = switches <= Math.max(1, 0.1 * Math.min(leftRows.length, rightRows.length));

  const columns =
    (proseLeft && proseRight && (streamed || switches >= both.length || aligned < 0.8)) ||
    (streamed &&
      (aligned < 0.7 || proseLeft || proseRight || Math.min(leftRows.length, rightRows.length) >= 12));
  if (!columns) return 0;
  return (
    Math.min(leftRows.length, rightRows.length) * (shared / Math.max(1, median(rows.map((row) => row.size))))
  );
}

/** Running text fills its lines: most of them reach far to the right, and they hold several words. */
function isProse(rows: readonly Row[], width: number): boolean {
  const full = rows.filter((row) => row.x1 - row.x0 >= 0.6 * width).length;
  const letters = rows.reduce((sum, row) => sum + row.segments.reduce((n, s) => n + s.weight, 0), 0);
  const cjk = rows.some((row) =>
    row.segments.some((s) => /[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/u.test(s.text)),
  );
  return full >= 0.55 * rows.length && letters >= (cjk ? 9 : 16) * rows.length;
}
