import type { Block, TableCell } from "../../model.ts";
import { child, elements, type XmlElement } from "../../xml.ts";
import { append } from "../ooxml/append.ts";
import { flattenBlocks } from "../ooxml/flatten.ts";
import type { StoryItem } from "./context.ts";
import { isOn } from "./styles.ts";

/** Spans wider than this are held to it. */
const MAX_SPAN = 1024;

/** Builds one table from its rows as they come. */
export interface TableBuilder {
  row(element: XmlElement): void;
  /** The table, or for one of a single cell what is in that cell; then what cells cannot hold. */
  finish(): StoryItem[];
}

/** @param readCell the content of a cell as blocks */
export function createTable(readCell: (cell: XmlElement) => StoryItem[]): TableBuilder {
  const rows: TableCell[][] = [];
  const after: StoryItem[] = [];
  let headerRows = 0;
  let onlyCell: StoryItem[] | undefined;
  let cells = 0;
  // For each column of the grid, the cell that may go on in the next row.
  let above: (TableCell | undefined)[] = [];

  return {
    row(element) {
      const properties = child(element, "w:trPr");
      if (child(properties, "w:del") !== undefined) return;
      const row: TableCell[] = [];
      const open: (TableCell | undefined)[] = [];
      let column = count(child(properties, "w:gridBefore"), 0);
      for (let i = 0; i < column; i++) row.push({ text: "" });
      for (const tc of cellsOf(element)) {
        const span = count(child(tc, "w:tcPr", "w:gridSpan"), 1);
        const merge = child(tc, "w:tcPr", "w:vMerge");
        const upper = above[column];
        if (merge !== undefined && merge.attributes["w:val"] !== "restart" && upper !== undefined) {
          upper.rowSpan = (upper.rowSpan ?? 1) + 1;
          open[column] = upper;
        } else {
          const content = readCell(tc);
          cells += 1;
          onlyCell = cells === 1 ? content : undefined;
          const cell: TableCell = flattenBlocks(
            content.filter((item): item is Block => item.type !== "part"),
          );
          if (span > 1) cell.columnSpan = span;
          append(
            after,
            content.filter((item) => item.type === "part"),
          );
          row.push(cell);
          if (merge !== undefined) open[column] = cell;
        }
        column += span;
      }
      above = open;
      if (isOn(child(properties, "w:tblHeader")) && headerRows === rows.length) headerRows += 1;
      rows.push(row);
    },
    finish() {
      if (cells === 0) return [];
      if (cells === 1 && onlyCell !== undefined) return onlyCell;
      const headers = headerRows > 0 ? headerRows : rows.length > 1 ? 1 : 0;
      return [{ type: "table", rows, headerRows: headers }, ...after];
    },
  };
}

function* cellsOf(parent: XmlElement): Generator<XmlElement> {
  for (const element of elements(parent)) {
    if (element.name === "w:tc") yield element;
    else if (/^w:(?:sdt|sdtContent|customXml|ins|moveTo|smartTag)$/.test(element.name))
      yield* cellsOf(element);
  }
}

function count(element: XmlElement | undefined, fallback: number): number {
  const value = Number(element?.attributes["w:val"] ?? fallback);
  return Number.isInteger(value) && value >= fallback ? Math.min(value, MAX_SPAN) : fallback;
}
