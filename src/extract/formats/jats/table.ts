import { cellOf } from "../../flatten.ts";
import type { Block, TableCell } from "../../model.ts";
import { elements, type XmlElement } from "../../xml.ts";

/** The rows of a table in XHTML's model, with the cells' content read by `blocksOf`. */
export function jatsTable(
  table: XmlElement,
  caption: string,
  blocksOf: (cell: XmlElement) => Block[],
): Extract<Block, { type: "table" }> | undefined {
  const rows: TableCell[][] = [];
  let headerRows = 0;
  const addRow = (row: XmlElement) => {
    const cells = [...elements(row)].filter((cell) => cell.name === "td" || cell.name === "th");
    if (cells.length === 0) return;
    rows.push(cells.map((cell) => tableCell(cell, blocksOf)));
  };
  for (const part of elements(table)) {
    if (part.name === "tr") addRow(part);
    if (!/^t(?:head|body|foot)$/.test(part.name)) continue;
    for (const row of elements(part, "tr")) addRow(row);
    if (part.name === "thead") headerRows = rows.length;
  }
  if (rows.length === 0) return undefined;
  return { type: "table", rows, headerRows, ...(caption !== "" && { caption }) };
}

function tableCell(cell: XmlElement, blocksOf: (cell: XmlElement) => Block[]): TableCell {
  const content: TableCell = cellOf(blocksOf(cell));
  const columnSpan = Math.min(1000, Number.parseInt(cell.attributes.colspan ?? "", 10) || 1);
  const rowSpan = Math.min(65_534, Number.parseInt(cell.attributes.rowspan ?? "", 10) || 1);
  if (columnSpan > 1) content.columnSpan = columnSpan;
  if (rowSpan > 1) content.rowSpan = rowSpan;
  return content;
}
