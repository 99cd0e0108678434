import { escapeMarkdown, linkMarkdown } from "../../escape-markdown.ts";
import type { OutputBudget } from "../../flow.ts";
import type { TableCell } from "../../model.ts";
import { child, elements, textOf, type XmlElement } from "../../xml.ts";
import { append } from "../ooxml/append.ts";
import type { OfficePackage, Relationships } from "../ooxml/package.ts";
import type { NumberFormats } from "./number-format.ts";
import { type Area, areaOf, cellAt, MAX_COLUMN, MAX_ROW } from "./reference.ts";

/** A cell with a value, or a merged area whose first cell has one. */
export interface PlacedCell extends Area {
  cell: TableCell;
}

/** What a sheet shows. */
export interface Sheet {
  /** By row, then by column. */
  cells: PlacedCell[];
  drawing: string | undefined;
  /** Not all cells were read. */
  truncated: boolean;
  /** Running header and footer, without their codes. */
  margins: string[];
}

/** What all sheets of a workbook share. */
export interface WorkbookContext {
  strings: readonly string[];
  formats: NumberFormats;
  budget: OutputBudget;
  /** Addresses the workbook links to. */
  links: Set<string>;
  /** Cells that may still be read. */
  cellsLeft: number;
}

const MAX_MERGES = 200_000;
const MAX_LINKS = 10_000;

/** Streams one worksheet or chart sheet, row by row. */
export async function readSheet(
  office: OfficePackage,
  part: string,
  context: WorkbookContext,
  onRow: (row: number) => void,
): Promise<Sheet> {
  const relationships = await office.relationships(part);
  const cells: PlacedCell[] = [];
  const merges = new Map<string, Area>();
  const links = new Map<string, string>();
  const sheet: Sheet = { cells, drawing: undefined, truncated: false, margins: [] };
  let nextRow = 0;

  const readRow = (element: XmlElement) => {
    const stated = Number(element.attributes.r) - 1;
    const row = Number.isInteger(stated) && stated >= 0 ? stated : nextRow;
    nextRow = row + 1;
    if (row > MAX_ROW) return;
    onRow(row);
    let nextColumn = 0;
    for (const cell of elements(element, "s:c")) {
      const column = cellAt(cell.attributes.r ?? "")?.column ?? nextColumn;
      nextColumn = column + 1;
      if (column > MAX_COLUMN) continue;
      const text = cellText(cell, context);
      if (text.trim() === "") continue;
      if (context.cellsLeft <= 0) {
        sheet.truncated = true;
        return;
      }
      context.cellsLeft -= 1;
      context.budget.spend(text.length);
      cells.push({ top: row, left: column, bottom: row, right: column, cell: { text } });
    }
  };

  await office.stream(part, {
    visit(name) {
      if (name === "s:row") return sheet.truncated ? "skip" : "tree";
      if (/^s:(?:mergeCell|hyperlink|drawing|headerFooter)$/.test(name)) return "tree";
      return /^s:(?:worksheet|chartsheet|dialogsheet|macrosheet|sheetData|mergeCells|hyperlinks)$/.test(name)
        ? "enter"
        : "skip";
    },
    tree(element) {
      const { attributes, name } = element;
      if (name === "s:row") readRow(element);
      else if (name === "s:mergeCell") addMerge(merges, attributes.ref ?? "");
      else if (name === "s:hyperlink") addLink(links, element, relationships, context.links);
      else if (name === "s:drawing") sheet.drawing = relationships.get(attributes["r:id"] ?? "")?.target;
      else append(sheet.margins, marginTexts(element));
    },
  });

  cells.sort((a, b) => a.top - b.top || a.left - b.left);
  sheet.cells = placeMerges(cells, merges);
  for (const { top, left, cell } of sheet.cells) {
    const link = links.get(`${top}:${left}`);
    if (link !== undefined) cell.markdown = linkMarkdown(escapeMarkdown(cell.text), link);
  }
  return sheet;
}

function cellText(cell: XmlElement, context: WorkbookContext): string {
  const value = textOf(child(cell, "s:v"));
  switch (cell.attributes.t) {
    case "s":
      return context.strings[Number(value)] ?? "";
    case "inlineStr":
      return richText(child(cell, "s:is"));
    case "b":
      return value.trim() === "1" ? "TRUE" : value.trim() === "0" ? "FALSE" : value;
    case "str":
    case "e":
      return value;
    case "d":
      return value.replace(/^(\d{4}-\d\d-\d\d)T(?=\d)/, "$1 ").replace(/ 00:00:00(?:\.0+)?Z?$/, "");
    default:
      return value === "" ? "" : context.formats(cell.attributes.s)(value);
  }
}

/** A string item: its text or its runs, without the phonetic guide. */
export function richText(item: XmlElement | undefined): string {
  let text = "";
  for (const element of elements(item)) {
    if (element.name === "s:t") text += textOf(element);
    else if (element.name === "s:r") text += textOf(child(element, "s:t"));
  }
  // Characters that XML cannot hold are written as _x000D_.
  return text.replace(/_x([0-9A-Fa-f]{4})_/g, (_, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[\p{Cc}]/u.test(character) ? (/[\n\t]/.test(character) ? character : "") : character;
  });
}

function addMerge(merges: Map<string, Area>, reference: string): void {
  const area = areaOf(reference);
  if (area === undefined || merges.size >= MAX_MERGES) return;
  if (area.top !== area.bottom || area.left !== area.right) merges.set(`${area.top}:${area.left}`, area);
}

function addLink(
  links: Map<string, string>,
  element: XmlElement,
  relationships: Relationships,
  all: Set<string>,
): void {
  const target = relationships.get(element.attributes["r:id"] ?? "");
  const area = areaOf(element.attributes.ref ?? "");
  if (area === undefined || !target?.external || links.size >= MAX_LINKS) return;
  links.set(`${area.top}:${area.left}`, target.target);
  if (all.size < MAX_LINKS) all.add(target.target);
}

/** Lets merged cells cover their area, held to the used part of the sheet, and drops what they cover. */
function placeMerges(cells: PlacedCell[], merges: Map<string, Area>): PlacedCell[] {
  if (merges.size === 0) return cells;
  let bottom = 0;
  let right = 0;
  for (const area of [...cells, ...merges.values()]) {
    // An area over the whole height or width says nothing about how far the sheet is used.
    if (area.bottom - area.top < 10_000) bottom = Math.max(bottom, area.bottom);
    if (area.right - area.left < 1_000) right = Math.max(right, area.right);
  }
  // For each column, the last row that a merged cell above covers.
  const covered: number[] = [];
  return cells.filter((placed) => {
    if ((covered[placed.left] ?? -1) >= placed.top) return false;
    const area = merges.get(`${placed.top}:${placed.left}`);
    if (area === undefined) return true;
    placed.bottom = Math.max(placed.top, Math.min(area.bottom, bottom));
    placed.right = Math.max(placed.left, Math.min(area.right, right));
    for (let column = placed.left; column <= placed.right; column++) covered[column] = placed.bottom;
    return true;
  });
}

function marginTexts(element: XmlElement): string[] {
  const texts = new Set<string>();
  for (const part of elements(element)) {
    const text = textOf(part)
      .replace(/&&/g, "\u0000")
      .replace(/&(?:"[^"]*"|K[0-9A-F]{6}|\d+|[A-Z])/gi, " ")
      .replaceAll("\u0000", "&")
      .replace(/\s+/g, " ")
      .trim();
    if (text !== "") texts.add(text);
  }
  return [...texts];
}
