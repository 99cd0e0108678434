import { cellOf } from "../../flatten.ts";
import type { Block, TableCell } from "../../model.ts";

/** What a row says of one of its cells before it comes. */
export interface CellDefinition {
  /** Its right edge, in twips. */
  edge: number;
  /** Goes on from the cell to its left, or from the one above. */
  goesOnLeft: boolean;
  goesOnAbove: boolean;
  startsBelow: boolean;
}

interface PlacedCell {
  cell: TableCell;
  left: number;
  right: number;
}

/** Edges that are nearer than this are the same: rows are drawn by hand. Twips. */
const EDGE_TOLERANCE = 90;
const MAX_EDGES = 63;

/** Builds one table from the contents of its cells, row by row. */
export interface CellTable {
  row(cells: readonly (readonly Block[])[], definitions: readonly CellDefinition[], isHeader: boolean): void;
  finish(): Block[];
}

export function createTable(): CellTable {
  const rows: PlacedCell[][] = [];
  let headerRows = 0;
  let cells = 0;
  let onlyCell: readonly Block[] = [];
  let above = new Map<number, TableCell>();

  return {
    row(contents, definitions, isHeader) {
      const row: PlacedCell[] = [];
      const open = new Map<number, TableCell>();
      let left = 0;
      contents.forEach((content, index) => {
        const definition = definitions[index];
        const right = definition?.edge ?? left + 1;
        const before = row.at(-1);
        const upper = above.get(index);
        if (definition?.goesOnLeft && before !== undefined) before.right = right;
        else if (definition?.goesOnAbove && upper !== undefined) {
          upper.rowSpan = (upper.rowSpan ?? 1) + 1;
          open.set(index, upper);
        } else {
          const cell: TableCell = cellOf(content);
          cells += 1;
          onlyCell = content;
          row.push({ cell, left, right });
          if (definition?.startsBelow) open.set(index, cell);
        }
        left = right;
      });
      above = open;
      if (isHeader && headerRows === rows.length) headerRows += 1;
      rows.push(row);
    },
    finish() {
      if (cells === 0) return [];
      if (cells === 1) return [...onlyCell];
      addSpans(rows);
      const headers = headerRows || (rows.length > 1 ? 1 : 0);
      return [{ type: "table", rows: rows.map((row) => row.map(({ cell }) => cell)), headerRows: headers }];
    },
  };
}

/** A cell spans as many columns as edges of other rows fall into it. */
function addSpans(rows: readonly PlacedCell[][]): void {
  const edges: number[] = [];
  for (const edge of rows.flatMap((row) => row.map(({ right }) => right)).sort((a, b) => a - b)) {
    if (edge - (edges.at(-1) ?? -EDGE_TOLERANCE) > EDGE_TOLERANCE) edges.push(edge);
    if (edges.length > MAX_EDGES) return;
  }
  const column = (edge: number) => edges.findLastIndex((each) => each <= edge + EDGE_TOLERANCE / 2);
  for (const row of rows) {
    for (const { cell, left, right } of row) {
      const columns = column(right) - (left === 0 ? -1 : column(left));
      if (columns > 1) cell.columnSpan = columns;
    }
  }
}
