import { cellOf } from "../../flatten.ts";
import type { Block, TableCell } from "../../model.ts";
import { attribute, findElement, type HtmlElement, type HtmlNode, isElement, rawText } from "./tree.ts";

type Table = Extract<Block, { type: "table" }>;

/**
 * A table's rows, or undefined if it is there for layout: said to be, a single cell, or a frame around
 * other tables without a header or caption.
 */
export function tableBlock(table: HtmlElement, blocksOf: (cell: HtmlElement) => Block[]): Table | undefined {
  const rows = rowsOf(table);
  const cells = rows.reduce((sum, row) => sum + row.cells.length, 0);
  const headed = rows.some((row) => row.inHead || row.cells.some((cell) => cell.tagName === "th"));
  const caption = table.childNodes.find(
    (node): node is HtmlElement => isElement(node) && node.tagName === "caption",
  );
  if (/^(presentation|none)$/.test(attribute(table, "role")) || cells <= 1) return undefined;
  if (!headed && !caption && findElement(table, (element) => element.tagName === "table")) return undefined;
  const block: Table = {
    type: "table",
    rows: rows.map((row, i) => row.cells.map((cell) => tableCell(cell, rows.length - i, blocksOf))),
    headerRows: headerRows(rows),
  };
  const title = caption ? rawText(caption).replace(/\s+/g, " ").trim() : "";
  return title === "" ? block : { ...block, caption: title };
}

interface Row {
  inHead: boolean;
  cells: HtmlElement[];
}

function rowsOf(table: HtmlElement): Row[] {
  const rows: Row[] = [];
  const addRow = (row: HtmlElement, inHead: boolean) =>
    rows.push({
      inHead,
      cells: row.childNodes.filter(
        (node: HtmlNode): node is HtmlElement => isElement(node) && /^t[dh]$/.test(node.tagName),
      ),
    });
  for (const part of table.childNodes) {
    if (!isElement(part) || !/^(thead|tbody|tfoot)$/.test(part.tagName)) continue;
    for (const row of part.childNodes) {
      if (isElement(row) && row.tagName === "tr") addRow(row, part.tagName === "thead");
    }
  }
  return rows.filter((row) => row.cells.length > 0);
}

function headerRows(rows: readonly Row[]): number {
  const body = rows.findIndex((row) => !row.inHead && row.cells.some((cell) => cell.tagName !== "th"));
  return body < 0 ? Math.min(rows.length, 1) : body;
}

function tableCell(cell: HtmlElement, rowsLeft: number, blocksOf: (cell: HtmlElement) => Block[]): TableCell {
  const columnSpan = Math.min(1000, Number.parseInt(attribute(cell, "colspan"), 10) || 1);
  const asked = attribute(cell, "rowspan").trim();
  // Zero means: down to the end.
  const rowSpan = /^0+$/.test(asked) ? rowsLeft : Math.min(rowsLeft, Number.parseInt(asked, 10) || 1);
  const content: TableCell = cellOf(blocksOf(cell));
  if (columnSpan > 1) content.columnSpan = columnSpan;
  if (rowSpan > 1) content.rowSpan = rowSpan;
  return content;
}
