import { DocumentFault } from "../../errors.ts";
import type { ExtractInput } from "../../extractor.ts";
import { outputBudget } from "../../flow.ts";
import type { Block, ExtractedDocument, PageFacts, Warning } from "../../model.ts";
import { child, elements } from "../../xml.ts";
import { append } from "../ooxml/append.ts";
import { type OfficePackage, partOfType } from "../ooxml/package.ts";
import { pageFacts } from "../ooxml/page-facts.ts";
import { readComments, readPersons } from "./comments.ts";
import { type Placed, readDrawing } from "./drawing.ts";
import { readNumberFormats } from "./number-format.ts";
import { cutRegions } from "./regions.ts";
import { readSheet, richText, type Sheet, type WorkbookContext } from "./sheet.ts";
import { regionBlock } from "./table.ts";

/** Cells with a value that are read of one workbook. */
const MAX_CELLS = 3_000_000;

interface SheetEntry {
  name: string;
  part: string;
  isHidden: boolean;
}

/** Reads the sheets of a workbook in their order; each is a page. */
export async function readWorkbook(
  office: OfficePackage,
  input: ExtractInput,
): Promise<Omit<ExtractedDocument, "properties"> & { sheets: SheetEntry[]; links: string[] }> {
  const main = await office.mainPart("xl/workbook.xml");
  const { sheets, from1904 } = await readEntries(office, main);
  const relationships = await office.relationships(main);
  const styles = partOfType(relationships, "styles");
  const context: WorkbookContext = {
    strings: await readStrings(office, partOfType(relationships, "sharedStrings")),
    formats: readNumberFormats(styles === undefined ? undefined : await office.tree(styles), from1904),
    budget: outputBudget(input.limits.maxOutputCharacters),
    links: new Set(),
    cellsLeft: MAX_CELLS,
  };
  const persons = await readPersons(office, main);

  const { options, limits } = input;
  const most = options.maxPages > 0 ? Math.min(options.maxPages, limits.maxPages) : limits.maxPages;
  const blocks: Block[] = [];
  const pages: PageFacts[] = [];
  const warnings: Warning[] = [];
  if (sheets.length > most) {
    warnings.push({ code: "PAGES_SKIPPED", message: `Sheets after the first ${most} were not read.` });
  }
  for (const [index, entry] of sheets.slice(0, most).entries()) {
    const page = index + 1;
    const place = `sheet ${page} of ${sheets.length}`;
    input.progress(index, sheets.length, place);
    if (page > 1) blocks.push({ type: "page_break", page: page - 1 });
    const sheet = await readSheet(office, entry.part, context, (row) => {
      if (row % 4096 === 0) input.progress(index, sheets.length, place);
    });
    if (entry.isHidden) {
      warnings.push({
        code: "HIDDEN_SHEET",
        message: `The sheet “${entry.name}” is hidden in the document.`,
        page,
      });
    }
    if (sheet.truncated) {
      const message = `The workbook has more than ${MAX_CELLS} filled cells; the sheet “${entry.name}” was cut off.`;
      warnings.push({ code: "CONTENT_TRUNCATED", message, page });
    }
    const drawn = sheet.drawing === undefined ? [] : await readDrawing(office, sheet.drawing, page);
    const content: Block[] = [
      { type: "heading", level: 1, text: entry.name, page },
      ...(options.includeHeadersFooters ? margins(sheet, page) : []),
      ...sheetBlocks(sheet, drawn, page, options.includeTables),
      ...(await readComments(office, entry.part, persons, context.budget, page)),
    ];
    append(blocks, content);
    pages.push(pageFacts(page, content));
  }
  input.progress(sheets.length, sheets.length);
  return { blocks, warnings, pages, sheets, links: [...context.links] };
}

async function readEntries(office: OfficePackage, main: string) {
  const root = await office.tree(main);
  const relationships = await office.relationships(main);
  const sheets: SheetEntry[] = [];
  for (const { attributes } of elements(child(root, "s:sheets"), "s:sheet")) {
    const part = relationships.get(attributes["r:id"] ?? "")?.target;
    if (part === undefined || !office.has(part)) continue;
    sheets.push({ name: attributes.name ?? "", part, isHidden: /hidden/i.test(attributes.state ?? "") });
  }
  if (sheets.length === 0) throw new DocumentFault("DOCUMENT_CORRUPT", "The workbook has no readable sheet.");
  const from1904 = /^(?:1|true)$/.test(child(root, "s:workbookPr")?.attributes.date1904 ?? "");
  return { sheets, from1904 };
}

async function readStrings(office: OfficePackage, part: string | undefined): Promise<string[]> {
  const strings: string[] = [];
  if (part === undefined) return strings;
  await office.stream(part, {
    visit: (name) => (name === "s:si" ? "tree" : "enter"),
    tree: (item) => strings.push(richText(item)),
  });
  return strings;
}

const margins = (sheet: Sheet, page: number): Block[] =>
  sheet.margins.map((text) => ({ type: "paragraph", text, page }));

/** Tables and what is drawn between them, by the row in which they begin. */
function sheetBlocks(sheet: Sheet, drawn: Placed[], page: number, includeTables: boolean): Block[] {
  const blocks: Block[] = [];
  const waiting = [...drawn];
  for (const region of cutRegions(sheet.cells)) {
    const top = region[0]?.top ?? 0;
    while (waiting[0] !== undefined && waiting[0].row < top) append(blocks, waiting.shift()?.blocks ?? []);
    const block = regionBlock(region, page);
    if (block !== undefined) blocks.push(block);
  }
  append(
    blocks,
    waiting.flatMap((placed) => placed.blocks),
  );
  return includeTables ? blocks : blocks.filter((block) => block.type !== "table");
}
