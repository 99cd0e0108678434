import { setImmediate } from "node:timers/promises";
import { parse } from "csv-parse";
import { DocumentFault } from "../errors.ts";
import type { ExtractInput, Extractor } from "../extractor.ts";
import { outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Block, TableCell, Warning } from "../model.ts";
import { readText } from "../read-text.ts";
import { delimitedBy } from "./csv-dialect.ts";

/** One row may have at most this many characters, quotes running over lines included. */
const MAX_ROW_CHARACTERS = 4 * 1024 * 1024;
const MAX_CELLS = 4_000_000;
const PIECE_CHARACTERS = 256 * 1024;

/** Tables in text: one table block; its first row is the header unless it holds numbers only. */
export const extractor: Extractor = {
  name: "csv",
  mediaTypes: [MEDIA.csv, MEDIA.tsv],
  async extract(input) {
    const { text, encoding } = await readText(input);
    const fallback = input.mediaType === MEDIA.tsv ? "\t" : ",";
    const delimiter = delimitedBy(text, { cut: text.length > 65_536, lenient: true }) ?? fallback;
    const rows = await readRows(text, delimiter, input);
    const warnings: Warning[] = [];
    const widths = new Set(rows.map((row) => row.length));
    if (widths.size > 1) {
      warnings.push({
        code: "UNEVEN_ROWS",
        message: "The rows have different numbers of columns; they were kept as they are.",
      });
    }
    const table: Block = { type: "table", rows, headerRows: rows.length > 1 && hasHeader(rows[0]) ? 1 : 0 };
    const blocks = rows.length > 0 && input.options.includeTables ? [table] : [];
    const columns = Math.max(0, ...widths);
    return { blocks, properties: { extra: { encoding, delimiter, rows: rows.length, columns } }, warnings };
  },
};

async function readRows(text: string, delimiter: string, input: ExtractInput): Promise<TableCell[][]> {
  const budget = outputBudget(input.limits.maxOutputCharacters);
  const rows: TableCell[][] = [];
  let cells = 0;
  const addRow = (record: readonly string[]) => {
    cells += record.length;
    if (cells > MAX_CELLS) {
      throw new DocumentFault(
        "LIMIT_EXCEEDED",
        `The table has more than the ${MAX_CELLS} cells allowed; split it.`,
      );
    }
    const row = record.map((cell) => ({ text: cell.trim() }));
    budget.spend(row.reduce((sum, cell) => sum + cell.text.length + 1, 0));
    if (row.some((cell) => cell.text !== "")) rows.push(row);
  };
  await parseRecords(text, delimiter, input, addRow);
  return rows;
}

/** Feeds the parser piece by piece, so that signs of life get out in between. */
async function parseRecords(
  text: string,
  delimiter: string,
  { signal, progress }: ExtractInput,
  onRecord: (record: readonly string[]) => void,
): Promise<void> {
  let failure: unknown;
  const parser = parse({
    delimiter,
    bom: true,
    relax_quotes: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_ROW_CHARACTERS,
  });
  parser.on("error", (error) => {
    failure ??= fault(error);
  });
  parser.on("data", (record: string[]) => {
    if (failure !== undefined) return;
    try {
      onRecord(record);
    } catch (error) {
      failure = error;
    }
  });
  const ended = new Promise<void>((resolve) => parser.once("close", resolve));
  for (let at = 0; at < text.length && failure === undefined; at += PIECE_CHARACTERS) {
    parser.write(text.slice(at, at + PIECE_CHARACTERS));
    progress(at, text.length);
    await setImmediate(undefined, { signal });
  }
  if (failure === undefined) parser.end();
  else parser.destroy();
  await ended;
  if (failure !== undefined) throw failure;
}

function fault(error: unknown): DocumentFault {
  if (error instanceof Error && "code" in error && error.code === "CSV_MAX_RECORD_SIZE") {
    return new DocumentFault(
      "LIMIT_EXCEEDED",
      `A row of the table is longer than ${MAX_ROW_CHARACTERS} characters; a quotation mark may be left open.`,
      error,
    );
  }
  return new DocumentFault(
    "DOCUMENT_CORRUPT",
    "The table cannot be read as CSV; check its quotation marks.",
    error,
  );
}

const hasHeader = (row: readonly TableCell[] | undefined) =>
  row?.some((cell) => /\p{L}/u.test(cell.text)) ?? false;
