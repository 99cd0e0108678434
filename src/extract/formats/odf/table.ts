import { cellOf } from "../../flatten.ts";
import type { Block, TableCell } from "../../model.ts";
import { elements, type XmlElement } from "../../xml.ts";
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
        if (each.name !== "table:table-cell") continue;
        const content = readCell(each);
        const cell: TableCell = cellOf(content);
        const columns = count(each.attributes["table:number-columns-spanned"], MAX_SPAN);
        const down = count(each.attributes["table:number-rows-spanned"], MAX_SPAN);
        if (columns > 1) cell.columnSpan = columns;
        if (down > 1) cell.rowSpan = down;
        const times = count(each.attributes["table:number-columns-repeated"], MAX_SPAN);
        cells += times;
        onlyCell = cells === 1 ? content : undefined;
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

/** A count attribute: 1 when it is missing or no number, at most `most`. */
export function count(value: string | undefined, most: number): number {
  const stated = Number(value ?? 1);
  return Number.isInteger(stated) && stated >= 1 ? Math.min(stated, most) : 1;
}
