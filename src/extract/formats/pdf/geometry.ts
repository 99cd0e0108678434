/** Left, right, top, bottom in points; y grows downwards, so that reading order is ascending. */
export interface Box {
  x0: number;
  x1: number;
  y0: number;
  y1: number;
}

/** A piece of one line in one direction without a wide gap: what one column or cell shows of that line. */
export interface Segment extends Box {
  text: string;
  baseline: number;
  size: number;
  bold: boolean;
  mono: boolean;
  rtl: boolean;
  /** Number of characters that are no spaces. */
  weight: number;
  /** Place in the content stream. */
  order: number;
  /** Structure type of the tagged content (`H1`, `LI` …), if the document is tagged. */
  tag?: string;
  /** Stands for a whole table that was taken out of the flow. */
  table?: TableBox;
}

export interface TableBox extends Box {
  /** Texts of the cells by row; every row has as many entries as the table has columns. */
  rows: TableBoxCell[][];
}

export interface TableBoxCell {
  text: string;
  columnSpan: number;
  rowSpan: number;
}

/** A line or thin box that a page draws: the ruling of a table. */
export interface Rule extends Box {
  horizontal: boolean;
}

/** Segments that stand beside each other, from left to right. */
export interface Row extends Box {
  segments: Segment[];
  baseline: number;
  size: number;
}

export interface PageContent {
  page: number;
  width: number;
  height: number;
  /** Groups by direction of the text, the one with most characters first. */
  groups: Segment[][];
  /** Rules, in the coordinates of the first group. */
  rules: Rule[];
  /** First group's frame: the page's box. */
  box: Box;
  characters: number;
  /** Characters whose glyph has no meaning outside its font. */
  unknown: number;
  images: number;
  /** Share of the page that images cover, from 0 to 1. */
  imageShare: number;
  /** Pixels of its largest image. */
  imagePixels: number;
  /** Lines and areas that it draws. */
  paths: number;
  /** The page has more characters than are read of one page. */
  truncated: boolean;
}

export function union(boxes: readonly Box[]): Box {
  const box: Box = {
    x0: Number.POSITIVE_INFINITY,
    x1: Number.NEGATIVE_INFINITY,
    y0: Number.POSITIVE_INFINITY,
    y1: Number.NEGATIVE_INFINITY,
  };
  for (const b of boxes) {
    box.x0 = Math.min(box.x0, b.x0);
    box.x1 = Math.max(box.x1, b.x1);
    box.y0 = Math.min(box.y0, b.y0);
    box.y1 = Math.max(box.y1, b.y1);
  }
  return box;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

/** Segments of one row that a new one is compared with; a row of text has fewer, and more would cost quadratic time. */
const MAX_COMPARED = 64;

/** Groups segments into rows: what shares a baseline, or overlaps by most of its height without overlapping sideways. */
export function toRows(segments: readonly Segment[]): Row[] {
  const sorted = segments.toSorted((a, b) => a.baseline - b.baseline || a.x0 - b.x0 || a.order - b.order);
  const rows: Row[] = [];
  for (const segment of sorted) {
    let found: Row | undefined;
    for (let i = rows.length - 1; i >= 0 && i >= rows.length - 4; i -= 1) {
      const row = rows[i];
      if (row !== undefined && sameRow(row, segment)) {
        found = row;
        break;
      }
    }
    if (found === undefined) {
      rows.push({ ...boxOf(segment), segments: [segment], baseline: segment.baseline, size: segment.size });
    } else {
      found.segments.push(segment);
      if (segment.size > found.size && segment.table === undefined) {
        found.size = segment.size;
        found.baseline = segment.baseline;
      }
      Object.assign(found, union([found, segment]));
    }
  }
  for (const row of rows) row.segments.sort((a, b) => a.x0 - b.x0 || a.order - b.order);
  return rows.sort((a, b) => a.baseline - b.baseline || a.x0 - b.x0);
}

function sameRow(row: Row, segment: Segment): boolean {
  if (segment.table !== undefined || row.segments.some((s) => s.table !== undefined)) return false;
  const small = Math.min(row.size, segment.size);
  const off = Math.abs(row.baseline - segment.baseline);
  if (off > 0.7 * small) return false;
  if (off > 0.35 * small) {
    const overlap = Math.min(row.y1, segment.y1) - Math.max(row.y0, segment.y0);
    if (overlap < 0.6 * Math.min(row.y1 - row.y0, segment.y1 - segment.y0)) return false;
  }
  return row.segments
    .slice(-MAX_COMPARED)
    .every((s) => Math.min(s.x1, segment.x1) - Math.max(s.x0, segment.x0) < 0.5 * small || off < 0.1 * small);
}

function boxOf(box: Box): Box {
  return { x0: box.x0, x1: box.x1, y0: box.y0, y1: box.y1 };
}

/** A box of page space in the frame of text that runs at `angle` degrees. */
export function toFrame(left: number, bottom: number, right: number, top: number, angle: number): Box {
  const cos = Math.cos((angle * Math.PI) / 180);
  const sin = Math.sin((angle * Math.PI) / 180);
  const xs = [
    left * cos + bottom * sin,
    right * cos + top * sin,
    left * cos + top * sin,
    right * cos + bottom * sin,
  ];
  const ys = [
    left * sin - bottom * cos,
    right * sin - top * cos,
    left * sin - top * cos,
    right * sin - bottom * cos,
  ];
  return { x0: Math.min(...xs), x1: Math.max(...xs), y0: Math.min(...ys), y1: Math.max(...ys) };
}
