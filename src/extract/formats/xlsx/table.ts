import type { Block, TableCell } from "../../model.ts";
import type { PlacedCell } from "./sheet.ts";

/** Empty places are filled up to this many, and to this many a cell; scattered cells stand without them. */
const MAX_FILLED = 100_000;
const MAX_FILLED_A_CELL = 10;

/** A region of a sheet as a block: a table, or for a lone cell a paragraph. */
export function regionBlock(whole: readonly PlacedCell[], page: number): Block | undefined {
  const title = titleOf(whole);
  const region = title === undefined ? whole : whole.slice(1);
  const [first] = region;
  if (first === undefined) return undefined;
  if (region.length === 1) return { type: "paragraph", ...first.cell, page };

  let left = first.left;
  let right = first.right;
  let bottom = first.bottom;
  for (const placed of region) {
    left = Math.min(left, placed.left);
    right = Math.max(right, placed.right);
    bottom = Math.max(bottom, placed.bottom);
  }
  const places = (bottom - first.top + 1) * (right - left + 1);
  const rows =
    places > MAX_FILLED + MAX_FILLED_A_CELL * region.length
      ? scatteredRows(region)
      : filledRows(region, left, right, bottom);

  return {
    type: "table",
    rows,
    headerRows: rows.length > 1 ? 1 : 0,
    ...(title === undefined ? {} : { caption: title }),
    page,
  };
}

function filledRows(
  region: readonly PlacedCell[],
  left: number,
  right: number,
  bottom: number,
): TableCell[][] {
  const top = region[0]?.top ?? 0;
  const rows: TableCell[][] = [];
  // For each column, the last row that a cell above covers.
  const covered: number[] = [];
  let next = 0;
  for (let row = top; row <= bottom; row++) {
    const cells: TableCell[] = [];
    for (let column = left; column <= right; column++) {
      const placed = region[next];
      if (placed?.top === row && placed.left === column) {
        next += 1;
        const { cell } = placed;
        if (placed.right > column) cell.columnSpan = placed.right - column + 1;
        if (placed.bottom > row) cell.rowSpan = placed.bottom - row + 1;
        for (let at = column; at <= placed.right; at++) covered[at] = placed.bottom;
        cells.push(cell);
        column = placed.right;
      } else if ((covered[column] ?? -1) < row) {
        cells.push({ text: "" });
      }
    }
    rows.push(cells);
  }
  return rows;
}

function scatteredRows(region: readonly PlacedCell[]): TableCell[][] {
  const rows: TableCell[][] = [];
  let row = -1;
  for (const { top, cell } of region) {
    if (top !== row) rows.push([]);
    row = top;
    rows.at(-1)?.push(cell);
  }
  return rows;
}

/** A first row with nothing but a text at its left, or over the whole width, is the table's title. */
function titleOf(region: readonly PlacedCell[]): string | undefined {
  const [first, second, third] = region;
  if (first === undefined || second === undefined || third === undefined) return undefined;
  if (second.top !== first.bottom + 1 || third.top !== second.top || first.cell.markdown) return undefined;
  const others = region.slice(1);
  if (others.every((placed) => placed.top === second.top)) return undefined;
  const startsTable = others.every((placed) => placed.left >= first.left);
  const isWhole = first.right === first.left || others.every((placed) => placed.right <= first.right);
  return startsTable && isWhole ? first.cell.text : undefined;
}
