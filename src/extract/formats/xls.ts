import { type CellObject, read, type WorkBook, type WorkSheet } from "@e965/xlsx";
import { openCompound } from "../compound.ts";
import { DocumentFault } from "../errors.ts";
import { escapeMarkdown, linkMarkdown } from "../escape-markdown.ts";
import type { ExtractInput, Extractor } from "../extractor.ts";
import { type OutputBudget, outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Block, ExtractedDocument, PageFacts, Warning } from "../model.ts";
import { readBytes } from "../read-text.ts";
import { oleProperties } from "./ole-properties.ts";
import { append } from "./ooxml/append.ts";
import { commentBlock } from "./ooxml/comment.ts";
import { pageFacts } from "./ooxml/page-facts.ts";
import { cellAt } from "./xlsx/reference.ts";
import { cutRegions } from "./xlsx/regions.ts";
import type { PlacedCell } from "./xlsx/sheet.ts";
import { regionBlock } from "./xlsx/table.ts";

/** The format is not compressed and its sheets end at row 65,536: nobody's workbook is larger than this. */
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_CELLS = 3_000_000;
const MAX_LINKS = 10_000;

/** Excel workbooks of 97 to 2003 and before; macros are never run, formulas never computed. */
export const extractor: Extractor = {
  name: "xls",
  mediaTypes: [MEDIA.xls],
  async extract(input) {
    if (input.size > MAX_BYTES) {
      throw new DocumentFault(
        "DOCUMENT_TOO_LARGE",
        `The workbook has ${input.size} bytes; ${MAX_BYTES} are allowed for its type.`,
      );
    }
    const bytes = await readBytes(input);
    const file = openCompound(bytes);
    return { ...workbookDocument(parse(bytes, input), input, oleProperties(file)) };
  },
};

function parse(bytes: Buffer, input: ExtractInput): WorkBook {
  try {
    // Without formulas, styles and HTML, which are not used; dates as the sheet shows them.
    return read(bytes, {
      type: "buffer",
      dense: false,
      cellFormula: false,
      cellHTML: false,
      cellText: true,
      dateNF: "yyyy-mm-dd",
      ...(input.options.password ? { password: input.options.password } : {}),
    });
  } catch (error) {
    if (error instanceof Error && /password|encrypt/i.test(error.message)) {
      throw new DocumentFault(
        "DOCUMENT_ENCRYPTED",
        "The workbook is encrypted with a password; save it without one and send it again.",
        error,
      );
    }
    throw new DocumentFault(
      "DOCUMENT_CORRUPT",
      "The workbook is damaged; open it in a spreadsheet program, save it again and send that.",
      error,
    );
  }
}

function workbookDocument(
  book: WorkBook,
  input: ExtractInput,
  properties: ExtractedDocument["properties"],
): ExtractedDocument {
  const { options, limits, signal } = input;
  const most = options.maxPages > 0 ? Math.min(options.maxPages, limits.maxPages) : limits.maxPages;
  const budget = outputBudget(limits.maxOutputCharacters);
  const names = book.SheetNames;
  const blocks: Block[] = [];
  const pages: PageFacts[] = [];
  const warnings: Warning[] = [];
  const hidden: string[] = [];
  const links = new Set<string>();
  let cellsLeft = MAX_CELLS;
  if (names.length === 0) throw new DocumentFault("DOCUMENT_CORRUPT", "The workbook has no readable sheet.");
  if (names.length > most) {
    warnings.push({ code: "PAGES_SKIPPED", message: `Sheets after the first ${most} were not read.` });
  }
  for (const [index, name] of names.slice(0, most).entries()) {
    signal.throwIfAborted();
    const page = index + 1;
    input.progress(index, names.length, `sheet ${page} of ${names.length}`);
    if (page > 1) blocks.push({ type: "page_break", page: page - 1 });
    if ((book.Workbook?.Sheets?.[index]?.Hidden ?? 0) > 0) {
      hidden.push(name);
      const message = `The sheet “${name}” is hidden in the document.`;
      warnings.push({ code: "HIDDEN_SHEET", message, page });
    }
    const { cells, comments } = readSheet(book.Sheets[name] ?? {}, page, cellsLeft, budget, links);
    cellsLeft -= cells.length;
    if (cellsLeft <= 0) {
      const message = `The workbook has more than ${MAX_CELLS} filled cells; the sheet “${name}” was cut off.`;
      warnings.push({ code: "CONTENT_TRUNCATED", message, page });
    }
    const tables = cutRegions(cells).flatMap((region) => regionBlock(region, page) ?? []);
    const content: Block[] = [
      { type: "heading", level: 1, text: name, page },
      ...tables.filter((block) => options.includeTables || block.type !== "table"),
      ...comments,
    ];
    append(blocks, content);
    pages.push(pageFacts(page, content));
  }
  const extra = { sheets: names, ...(hidden.length > 0 ? { hiddenSheets: hidden } : {}) };
  return {
    blocks,
    pages,
    warnings,
    properties: {
      ...properties,
      pageCount: names.length,
      ...(links.size > 0 ? { links: [...links] } : {}),
      extra: { ...properties.extra, ...extra },
    },
  };
}

function readSheet(
  sheet: WorkSheet,
  page: number,
  most: number,
  budget: OutputBudget,
  links: Set<string>,
): { cells: PlacedCell[]; comments: Block[] } {
  const cells: PlacedCell[] = [];
  const comments: Block[] = [];
  const merges = new Map<string, { r: number; c: number }>();
  for (const { s, e } of sheet["!merges"] ?? []) merges.set(`${s.r}:${s.c}`, e);
  for (const reference in sheet) {
    const place = reference.startsWith("!") ? undefined : cellAt(reference);
    if (place === undefined || cells.length >= most) continue;
    const cell = sheet[reference] as CellObject;
    for (const { a: author = "", t: text = "" } of cell.c ?? []) {
      // The program writes the name of the author into the remark as well.
      const body = text.startsWith(`${author}:`) ? text.slice(author.length + 1) : text;
      budget.spend(body.length);
      comments.push(commentBlock({ author, time: "", text: body }, page));
    }
    const text = (cell.w ?? (cell.v === undefined ? "" : String(cell.v))).replace(/\r\n?/g, "\n");
    if (text.trim() === "") continue;
    budget.spend(text.length);
    const { row: top, column: left } = place;
    const end = merges.get(`${top}:${left}`);
    const link = cell.l?.Target;
    const leads = link !== undefined && /^(?:https?|mailto|ftp):/i.test(link);
    if (leads && links.size < MAX_LINKS) links.add(link);
    cells.push({
      top,
      left,
      bottom: Math.max(top, end?.r ?? top),
      right: Math.max(left, end?.c ?? left),
      cell: { text, ...(leads && { markdown: linkMarkdown(escapeMarkdown(text), link) }) },
    });
  }
  cells.sort((a, b) => a.top - b.top || a.left - b.left);
  // A merge over whole rows or columns covers no more than what is used of them.
  const lastRow = cells.at(-1)?.top ?? 0;
  const lastColumn = cells.reduce((most, { left }) => Math.max(most, left), 0);
  for (const cell of cells) {
    if (cell.bottom > lastRow) cell.bottom = Math.max(cell.top, lastRow);
    if (cell.right > lastColumn) cell.right = Math.max(cell.left, lastColumn);
  }
  return { cells: visible(cells), comments };
}

/** Without cells that lie under a merged one. */
function visible(cells: PlacedCell[]): PlacedCell[] {
  const covered: number[] = [];
  return cells.filter(({ top, left, bottom, right }) => {
    if ((covered[left] ?? -1) >= top) return false;
    if (bottom > top || right > left)
      for (let at = left; at <= Math.min(right, 16_383); at++) covered[at] = bottom;
    return true;
  });
}
