import { cellOf } from "../../flatten.ts";
import type { Block, TableCell } from "../../model.ts";
import { elements, type XmlAttributes, type XmlElement } from "../../xml.ts";
import type { OdfContext } from "./context.ts";

/** Builds one table from its rows as they come. */
export interface TableBuilder {
  row(element: XmlElement, inHeader: boolean): void;
  /** The table, or for one of a single cell what is in that cell. */
  finish(): Block[];
}

/** Spans and repetitions beyond these are held to them. */
const MAX_SPAN = 1024;
const MAX_REPEATED_ROWS = 1000;

/** @param readCell the content of a cell as blocks */
export function createTable(context: OdfContext, readCell: (cell: XmlElement) => Block[]): TableBuilder {
  const rows: TableCell[][] = [];
  let headerRows = 0;
  let cells = 0;
  let onlyCell: Block[] | undefined;

  return {
    row(element, inHeader) {
      const row: TableCell[] = [];
      for (const each of elements(element)) {
        const { name, attributes } = each;
        const isCovered = name === "table:covered-table-cell";
        if (name !== "table:table-cell" && !isCovered) continue;
        const times = count(attributes["table:number-columns-repeated"], MAX_SPAN);
        // The format has a cell for each place that a merged one covers.
        if (isCovered && !context.leavesCoveredEmpty) continue;
        const content = isCovered ? [] : readCell(each);
        if (!isCovered) cells += times;
        onlyCell = cells === 1 ? (onlyCell ?? content) : undefined;
        const cell: TableCell = cellOf(content);
        if (!context.leavesCoveredEmpty) addSpans(cell, attributes);
        for (let i = 0; i < times && context.cellsLeft > 0; i++) {
          context.cellsLeft -= 1;
          row.push(i === 0 ? cell : { ...cell });
          if (i > 0) context.budget.spend(cell.text.length);
        }
      }
      const isEmpty = row.every((cell) => cell.text === "" && !cell.markdown);
      const times = isEmpty ? 1 : count(element.attributes["table:number-rows-repeated"], MAX_REPEATED_ROWS);
      for (let i = 0; i < times && context.cellsLeft > 0; i++) {
        if (i > 0) {
          context.cellsLeft -= row.length;
          context.budget.spend(row.reduce((sum, cell) => sum + cell.text.length, 0));
        }
        if (inHeader && headerRows === rows.length) headerRows += 1;
        rows.push(row);
      }
    },
    finish() {
      if (cells === 0) return [];
      if (cells === 1 && onlyCell !== undefined) return onlyCell;
      return [{ type: "table", rows, headerRows: headerRows || (rows.length > 1 ? 1 : 0) }];
    },
  };
}

function addSpans(cell: TableCell, attributes: XmlAttributes): void {
  const columns = count(attributes["table:number-columns-spanned"], MAX_SPAN);
  const down = count(attributes["table:number-rows-spanned"], MAX_SPAN);
  if (columns > 1) cell.columnSpan = columns;
  if (down > 1) cell.rowSpan = down;
}

/** A count attribute: 1 when it is missing or no number, at most `most`. */
export function count(value: string | undefined, most: number): number {
  const stated = Number(value ?? 1);
  return Number.isInteger(stated) && stated >= 1 ? Math.min(stated, most) : 1;
}
