import {
  type Box,
  type Rule,
  type Segment,
  type TableBox,
  type TableBoxCell,
  toRows,
  union,
} from "./geometry.ts";
import { toLine } from "./lines.ts";
import { UNKNOWN_SIGN } from "./markers.ts";
import { joinLines } from "./paragraphs.ts";

const TOUCH = 3;
const MAX_RULES = 1_500;
const MAX_LINES = 100;
const MAX_CELL_CHARACTERS = 1_200;

/**
 * Finds tables that are drawn with rules: connected rules that form at least two columns and two rows, with text in most
 * rows. Frames around running text are no tables.
 */
export function findRuledTables(
  segments: readonly Segment[],
  rules: readonly Rule[],
): { table: TableBox; used: Segment[] }[] {
  if (rules.length < 4 || rules.length > MAX_RULES) return [];
  const free = new Set(segments);
  const found: { table: TableBox; used: Segment[] }[] = [];
  for (const component of components(rules)) {
    const table = toTable([...free], component);
    if (table === undefined) continue;
    for (const segment of table.used) free.delete(segment);
    found.push(table);
  }
  return found;
}

function components(rules: readonly Rule[]): Rule[][] {
  const parent = rules.map((_, i) => i);
  const root = (i: number): number => {
    let at = i;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at] as number] as number;
      at = parent[at] as number;
    }
    return at;
  };
  const order = rules.map((_, i) => i).sort((a, b) => (rules[a] as Rule).y0 - (rules[b] as Rule).y0);
  for (const [k, i] of order.entries()) {
    const a = rules[i] as Rule;
    for (let m = k + 1; m < order.length; m += 1) {
      const j = order[m] as number;
      const b = rules[j] as Rule;
      if (b.y0 > a.y1 + TOUCH) break;
      if (b.x0 <= a.x1 + TOUCH && b.x1 >= a.x0 - TOUCH) parent[root(i)] = root(j);
    }
  }
  const groups = new Map<number, Rule[]>();
  for (const [i, rule] of rules.entries()) {
    const group = groups.get(root(i)) ?? [];
    group.push(rule);
    groups.set(root(i), group);
  }
  return [...groups.values()].filter((group) => group.length >= 4);
}

function toTable(
  segments: readonly Segment[],
  rules: readonly Rule[],
): { table: TableBox; used: Segment[] } | undefined {
  const box = union(rules);
  const verticals = rules.filter((r) => !r.horizontal);
  const horizontals = rules.filter((r) => r.horizontal);
  const xs = distinct([box.x0, box.x1, ...verticals.map((r) => (r.x0 + r.x1) / 2)]);
  const ys = distinct([box.y0, box.y1, ...horizontals.map((r) => (r.y0 + r.y1) / 2)]);
  const [columns, rows] = [xs.length - 1, ys.length - 1];
  if (columns < 2 || rows < 2 || columns > MAX_LINES || rows > 4 * MAX_LINES) return undefined;

  const used: Segment[] = [];
  const grid: Segment[][][] = Array.from({ length: rows }, () => Array.from({ length: columns }, () => []));
  for (const segment of segments) {
    const x = (segment.x0 + segment.x1) / 2;
    const y = (segment.y0 + segment.y1) / 2;
    const column = xs.findLastIndex((v) => v <= x);
    const row = ys.findLastIndex((v) => v <= y);
    if (row < 0 || column < 0 || row >= rows || column >= columns) continue;
    if (segment.x1 > box.x1 + segment.size || segment.x0 < box.x0 - segment.size) return undefined;
    grid[row]?.[column]?.push(segment);
    used.push(segment);
  }

  const cells = spans(grid, xs, ys, verticals, horizontals).filter((row) =>
    row.some((cell) => cell.text !== ""),
  );
  const all = cells.flat();
  const filled = all.filter((cell) => cell.text !== "");
  const wide = cells.filter((row) => row.filter((cell) => cell.text !== "").length >= 2).length;
  if (cells.length < 2 || filled.length < 4 || wide < 2 || filled.length < 0.35 * all.length)
    return undefined;
  if (filled.some((cell) => cell.text.length > MAX_CELL_CHARACTERS)) return undefined;
  return { table: { ...box, rows: cells }, used };
}

/** Merges grid places that no rule parts, and reads their text; a place that a cell above spans has no entry of its own. */
function spans(
  grid: readonly Segment[][][],
  xs: readonly number[],
  ys: readonly number[],
  verticals: readonly Rule[],
  horizontals: readonly Rule[],
): TableBoxCell[][] {
  const at = (list: readonly number[], i: number) => list[i] as number;
  const covered = (rules: readonly Rule[], place: number, from: number, to: number, axis: "x" | "y") => {
    const inner = rules.filter(
      (r) => Math.abs((axis === "x" ? r.x0 + r.x1 : r.y0 + r.y1) / 2 - place) <= TOUCH,
    );
    const middle = (from + to) / 2;
    return inner.some((r) =>
      axis === "x" ? r.y0 <= middle && r.y1 >= middle : r.x0 <= middle && r.x1 >= middle,
    );
  };
  const taken = grid.map((row) => row.map(() => false));
  return grid.map((row, r) => {
    const cells: TableBoxCell[] = [];
    for (let c = 0; c < row.length; c += 1) {
      if (taken[r]?.[c]) continue;
      let columnSpan = 1;
      while (
        c + columnSpan < row.length &&
        !taken[r]?.[c + columnSpan] &&
        !covered(verticals, at(xs, c + columnSpan), at(ys, r), at(ys, r + 1), "x")
      ) {
        columnSpan += 1;
      }
      let rowSpan = 1;
      const open = (k: number) =>
        Array.from({ length: columnSpan }, (_, d) => c + d).every(
          (column) =>
            !taken[k]?.[column] && !covered(horizontals, at(ys, k), at(xs, column), at(xs, column + 1), "y"),
        );
      while (r + rowSpan < grid.length && open(r + rowSpan)) rowSpan += 1;
      const content: Segment[] = [];
      for (let k = r; k < r + rowSpan; k += 1) {
        for (let d = c; d < c + columnSpan; d += 1) {
          (taken[k] as boolean[])[d] = true;
          content.push(...(grid[k]?.[d] ?? []));
        }
      }
      cells.push({ text: cellText(content), columnSpan, rowSpan });
    }
    return cells;
  });
}

/** The lines of a cell as one text. */
export function cellText(segments: readonly Segment[]): string {
  return joinLines(toRows(segments).map((row) => toLine(row).text))
    .replaceAll(UNKNOWN_SIGN, "")
    .trim();
}

function distinct(values: number[]): number[] {
  values.sort((a, b) => a - b);
  const out: number[] = [];
  for (const value of values) if (value - (out.at(-1) ?? Number.NEGATIVE_INFINITY) > TOUCH) out.push(value);
  return out;
}

/** A segment that stands in the flow for a table. */
export function tableSegment(table: TableBox, used: readonly Segment[]): Segment {
  const box: Box = { x0: table.x0, x1: table.x1, y0: table.y0, y1: table.y1 };
  const order = used.reduce((least, s) => Math.min(least, s.order), Number.POSITIVE_INFINITY);
  return {
    ...box,
    text: "",
    baseline: table.y0,
    size: used[0]?.size ?? 10,
    bold: false,
    mono: false,
    rtl: false,
    weight: used.reduce((sum, s) => sum + s.weight, 0),
    order,
    table,
  };
}
