import { type Row, type Segment, type TableBox, union } from "./geometry.ts";
import { markerOf } from "./markers.ts";
import { cellText, tableSegment } from "./ruled-tables.ts";

const MIN_ROWS = 3;
const MAX_MEAN_CELL = 32;
const MAX_ROWS = 300;
const MAX_CELLS = 60;

/**
 * Replaces rows of a region that align in columns by tables. Careful: at least three rows, the same free strips through
 * all of them, short cells, and most cells filled. Every word of the rows stays, in the table or in its row.
 */
export function withAlignedTables(region: readonly Row[]): Row[] {
  const out: Row[] = [];
  for (let i = 0; i < region.length; ) {
    const end = runFrom(region, i);
    const table = end - i >= MIN_ROWS ? toTable(region.slice(i, end)) : undefined;
    if (table === undefined) {
      out.push(region[i] as Row);
      i += 1;
    } else {
      out.push(table);
      i = end;
    }
  }
  return out;
}

/** End of the longest run of rows from `start` on that leave at least one strip free and have cells on both sides. */
function runFrom(region: readonly Row[], start: number): number {
  const first = region[start] as Row;
  if (!isTabular(first)) return start;
  const least = 0.7 * first.size;
  let cover = covered([], first, least);
  let end = start + 1;
  let lastWide = end;
  while (end < region.length && end - start < MAX_ROWS) {
    const row = region[end] as Row;
    const previous = region[end - 1] as Row;
    if (row.segments[0]?.table !== undefined || row.segments.length > MAX_CELLS) break;
    if (row.baseline - previous.baseline > 2.8 * previous.size) break;
    const next = covered(cover, row, least);
    if (next.length < 2 || next.length < cover.length - 2) break;
    if (!isTabular(row) && (row.baseline - previous.baseline > 1.4 * previous.size || end - lastWide >= 2))
      break;
    cover = next;
    end += 1;
    if (isTabular(row)) lastWide = end;
  }
  return lastWide;
}

function isTabular(row: Row): boolean {
  const { segments } = row;
  return segments.length >= 2 && segments.length <= MAX_CELLS && segments.every((s) => s.table === undefined);
}

interface Strip {
  x0: number;
  x1: number;
}

/** The columns so far, widened by the segments of one more row; what is closer than `least` is one column. */
function covered(columns: readonly Strip[], row: Row, least: number): Strip[] {
  const out: Strip[] = [];
  for (const { x0, x1 } of [...columns, ...row.segments].sort((a, b) => a.x0 - b.x0)) {
    const last = out.at(-1);
    if (last === undefined || x0 - last.x1 >= least) out.push({ x0, x1 });
    else last.x1 = Math.max(last.x1, x1);
  }
  return out;
}

function toTable(rows: readonly Row[]): Row | undefined {
  const least = 0.7 * (rows[0] as Row).size;
  const strips = rows.reduce((cover: Strip[], row) => covered(cover, row, least), []);
  const columns = strips.length;
  const columnOf = (s: Segment) =>
    Math.max(
      0,
      strips.findLastIndex((strip) => s.x0 >= strip.x0),
    );
  const cells: Segment[][][] = [];
  for (const row of rows) {
    const previous = cells.at(-1);
    const line: Segment[][] = Array.from({ length: columns }, () => []);
    for (const segment of row.segments) line[columnOf(segment)]?.push(segment);
    if (row.segments.length === 1 && previous !== undefined) {
      for (const [c, content] of line.entries()) previous[c]?.push(...content);
    } else cells.push(line);
  }
  const texts = cells.map((line) => line.map(cellText));
  const filled = texts.flat().filter((text) => text !== "");
  const wide = texts.filter((line) => line.filter((text) => text !== "").length >= 2).length;
  if (
    columns < 2 ||
    wide < MIN_ROWS ||
    wide < 0.7 * texts.length ||
    filled.length < 0.55 * columns * texts.length
  )
    return undefined;
  if (filled.reduce((sum, text) => sum + text.length, 0) > MAX_MEAN_CELL * filled.length && columns < 4)
    return undefined;
  const first = texts.map((line) => line[0] ?? "").filter((text) => text !== "");
  if (columns === 2 && first.every((text) => text.length <= 2 || markerOf(`${text} x`) !== undefined))
    return undefined;

  const box = union(rows);
  const table: TableBox = {
    ...box,
    rows: texts.map((line) => line.map((text) => ({ text, columnSpan: 1, rowSpan: 1 }))),
  };
  const segment = tableSegment(
    table,
    rows.flatMap((row) => row.segments),
  );
  return { ...box, segments: [segment], baseline: segment.baseline, size: segment.size };
}
