import type { ExtractInput } from "../../extractor.ts";
import { cellOf } from "../../flatten.ts";
import type { Block, PageFacts, TableCell, Warning } from "../../model.ts";
import { elements, type XmlElement } from "../../xml.ts";
import { append } from "../ooxml/append.ts";
import { pageFacts } from "../ooxml/page-facts.ts";
import { MAX_COLUMN, MAX_ROW } from "../xlsx/reference.ts";
import { cutRegions } from "../xlsx/regions.ts";
import type { PlacedCell } from "../xlsx/sheet.ts";
import { regionBlock } from "../xlsx/table.ts";
import { MAX_CELLS, type OdfContext } from "./context.ts";
import type { OdfPackage } from "./package.ts";
import { readStory } from "./story.ts";
import { count } from "./table.ts";

export interface Sheets {
  blocks: Block[];
  pages: PageFacts[];
  warnings: Warning[];
  names: string[];
  hidden: string[];
}

/** A cell with content may stand for many; more of them than this are not what anybody typed. */
const MAX_REPEATED_CELLS = 256;
const MAX_REPEATED_ROWS = 1000;

const ENTERED =
  /^office:(?:document-content|body|spreadsheet|automatic-styles)$|^table:(?:table-rows|table-row-group|table-header-rows)$/;

/** Reads the sheets of a workbook in their order, row by row; each is a page. */
export async function readSheets(
  office: OdfPackage,
  context: OdfContext,
  input: ExtractInput,
): Promise<Sheets> {
  const { options, limits } = input;
  const most = options.maxPages > 0 ? Math.min(options.maxPages, limits.maxPages) : limits.maxPages;
  const sheets: Sheets = { blocks: [], pages: [], warnings: [], names: [], hidden: [] };
  let cells: PlacedCell[] | undefined;
  let drawn: Block[] = [];
  let row = 0;
  let truncated = false;

  const open = (name: string, style: string | undefined) => {
    const page = sheets.names.push(name);
    input.progress(page - 1, 0, `sheet ${page}`);
    if (page > most) return false;
    cells = [];
    drawn = [];
    row = 0;
    truncated = false;
    if (context.styles.table(style).isHidden) {
      sheets.hidden.push(name);
      const message = `The sheet “${name}” is hidden in the document.`;
      sheets.warnings.push({ code: "HIDDEN_SHEET", message, page });
    }
    return true;
  };

  const close = () => {
    const page = sheets.names.length;
    const name = sheets.names.at(-1) ?? "";
    const found = cells ?? [];
    cells = undefined;
    if (truncated) {
      const message = `The workbook has more than ${MAX_CELLS} filled cells; the sheet “${name}” was cut off.`;
      sheets.warnings.push({ code: "CONTENT_TRUNCATED", message, page });
    }
    const tables = cutRegions(found).flatMap((region) => regionBlock(region, page) ?? []);
    const content: Block[] = [
      { type: "heading", level: 1, text: name, page },
      ...tables.filter((block) => options.includeTables || block.type !== "table"),
      ...[...drawn, ...context.notes.splice(0), ...context.comments.splice(0)].map((block) =>
        block.type === "page_break" ? block : { ...block, page },
      ),
    ];
    if (page > 1) sheets.blocks.push({ type: "page_break", page: page - 1 });
    append(sheets.blocks, content);
    sheets.pages.push(pageFacts(page, content));
  };

  const addRow = (element: XmlElement) => {
    const stated = count(element.attributes["table:number-rows-repeated"], MAX_ROW + 1);
    const own = placeCells(element, row, context);
    const times = own.length === 0 ? 0 : Math.min(stated, MAX_REPEATED_ROWS);
    for (let i = 0; i < times && row + i <= MAX_ROW; i++) {
      for (const placed of own) {
        if (context.cellsLeft <= 0) {
          truncated = true;
          break;
        }
        context.cellsLeft -= 1;
        if (i > 0) context.budget.spend(placed.cell.text.length);
        cells?.push({ ...placed, cell: { ...placed.cell }, top: placed.top + i, bottom: placed.bottom + i });
      }
    }
    row += stated;
    if (row % 4096 < stated) input.progress(sheets.names.length - 1, 0, `sheet ${sheets.names.length}`);
  };

  await office.stream("content.xml", {
    visit(name, attributes) {
      if (name === "table:table" && cells === undefined)
        return open(attributes["table:name"] ?? "", attributes["table:style-name"]) ? "enter" : "skip";
      if (ENTERED.test(name)) return "enter";
      if (name === "table:table-row") return truncated ? "skip" : "tree";
      return /^(?:table:shapes|style:style|text:list-style)$/.test(name) ? "tree" : "skip";
    },
    tree(element) {
      if (element.name === "table:table-row") addRow(element);
      else if (element.name === "table:shapes") append(drawn, readStory(elements(element), context));
      else context.styles.add(element);
    },
    leave(name) {
      if (name === "table:table" && cells !== undefined) close();
    },
  });
  if (sheets.names.length > most) {
    const message = `Sheets after the first ${most} were not read.`;
    sheets.warnings.push({ code: "PAGES_SKIPPED", message });
  }
  return sheets;
}

function placeCells(element: XmlElement, row: number, context: OdfContext): PlacedCell[] {
  const placed: PlacedCell[] = [];
  let column = 0;
  for (const each of elements(element)) {
    const { attributes, name } = each;
    if (name !== "table:table-cell" && name !== "table:covered-table-cell") continue;
    const stated = count(attributes["table:number-columns-repeated"], MAX_COLUMN + 1);
    const cell = name === "table:table-cell" ? sheetCell(each, context) : undefined;
    const times = cell === undefined ? 0 : Math.min(stated, MAX_REPEATED_CELLS);
    for (let i = 0; cell !== undefined && i < times && column + i <= MAX_COLUMN; i++) {
      if (i > 0) context.budget.spend(cell.text.length);
      placed.push({
        top: row,
        left: column + i,
        bottom: row + count(attributes["table:number-rows-spanned"], MAX_REPEATED_ROWS) - 1,
        right: column + i + count(attributes["table:number-columns-spanned"], MAX_REPEATED_CELLS) - 1,
        cell: i === 0 ? cell : { ...cell },
      });
    }
    column += stated;
  }
  return placed;
}

/** What a cell shows; without that, its stored value. */
function sheetCell(element: XmlElement, context: OdfContext): TableCell | undefined {
  if (element.children.length === 0 && element.attributes["office:value-type"] === undefined)
    return undefined;
  const cell: TableCell = cellOf(readStory(elements(element), context));
  if (cell.text !== "" || cell.markdown) return cell;
  const { attributes } = element;
  const stored =
    attributes["office:string-value"] ??
    attributes["office:date-value"] ??
    attributes["office:time-value"] ??
    attributes["office:boolean-value"]?.toUpperCase() ??
    attributes["office:value"];
  if (stored === undefined || stored.trim() === "") return undefined;
  context.budget.spend(stored.length);
  return { text: stored };
}
