import type { CellDefinition } from "../word/table.ts";
import type { WordFile } from "./fib.ts";
import { sprms } from "./sprm.ts";

/** What is set for a paragraph, beyond its style. */
export interface ParagraphFormat {
  style: number;
  outlineLevel: number | undefined;
  list: number | undefined;
  level: number;
  /** Tables that it lies in. */
  tables: number;
  endsRow: boolean;
  endsInnerCell: boolean;
  endsInnerRow: boolean;
  cells: CellDefinition[];
  isHeaderRow: boolean;
}

/** What is set for a stretch of text, beyond its style. */
export interface TextFormat {
  bold: boolean;
  italic: boolean;
  strike: boolean;
  sub: boolean;
  sup: boolean;
  hidden: boolean;
}

/** A stretch of the main stream with one format; offsets of bytes, the end not inside. */
interface Run {
  start: number;
  end: number;
  list: Buffer;
  style: number;
}

const PAGE = 512;
const MAX_RUNS = 1_000_000;
const CHARACTERS = 12;
const PARAGRAPHS = 13;

/** Finds the formats of text by where its bytes lie. */
export interface Formatting {
  paragraph(offset: number): ParagraphFormat;
  text(offset: number): TextFormat;
}

export function readFormatting(word: WordFile): Formatting {
  const paragraphs = finder(readRuns(word, PARAGRAPHS, 13));
  const texts = finder(readRuns(word, CHARACTERS, 1));
  const known = new Map<Run | undefined, ParagraphFormat>();
  const knownTexts = new Map<Run | undefined, TextFormat>();
  return {
    paragraph(offset) {
      const run = paragraphs(offset);
      let format = known.get(run);
      if (format === undefined) {
        format = paragraphFormat(run?.list ?? NOTHING, run?.style ?? 0);
        known.set(run, format);
      }
      return format;
    },
    text(offset) {
      const run = texts(offset);
      let format = knownTexts.get(run);
      if (format === undefined) {
        format = textFormat(run);
        knownTexts.set(run, format);
      }
      return format;
    },
  };
}

/** Formats lie in pages of 512 bytes, to which a table points. @param entryBytes 13 for paragraphs, 1 for text */
function readRuns({ main, structure }: WordFile, index: number, entryBytes: number): Run[] {
  const table = structure(index);
  const count = Math.floor((table.length - 4) / 8);
  const runs: Run[] = [];
  for (let i = 0; i < count && runs.length < MAX_RUNS; i++) {
    const at = (table.readUInt32LE((count + 1) * 4 + i * 4) & 0x3fffff) * PAGE;
    const page = main.subarray(at, at + PAGE);
    if (page.length < PAGE) continue;
    const entries = page[PAGE - 1] ?? 0;
    if ((entries + 1) * 4 + entries * entryBytes > PAGE) continue;
    for (let j = 0; j < entries; j++) {
      const place = (page[(entries + 1) * 4 + j * entryBytes] ?? 0) * 2;
      const { list, style } = entryBytes === 1 ? textEntry(page, place) : paragraphEntry(page, place);
      runs.push({ start: page.readUInt32LE(j * 4), end: page.readUInt32LE(j * 4 + 4), list, style });
    }
  }
  return runs.sort((a, b) => a.start - b.start);
}

const NOTHING = Buffer.alloc(0);

function textEntry(page: Buffer, place: number) {
  return { style: 0, list: place === 0 ? NOTHING : page.subarray(place + 1, place + 1 + (page[place] ?? 0)) };
}

function paragraphEntry(page: Buffer, place: number) {
  if (place === 0) return { style: 0, list: NOTHING };
  const half = page[place] ?? 0;
  const start = half === 0 ? place + 2 : place + 1;
  const data = page.subarray(start, start + (half === 0 ? (page[place + 1] ?? 0) * 2 : half * 2 - 1));
  return data.length < 2
    ? { style: 0, list: NOTHING }
    : { style: data.readUInt16LE(0), list: data.subarray(2) };
}

function finder(runs: readonly Run[]): (offset: number) => Run | undefined {
  return (offset) => {
    let low = 0;
    let high = runs.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const run = runs[middle] as Run;
      if (offset < run.start) high = middle - 1;
      else if (offset >= run.end) low = middle + 1;
      else return run;
    }
    return undefined;
  };
}

/** What a list of changes makes of a paragraph of `style`. */
export function paragraphFormat(changes: Buffer, style: number): ParagraphFormat {
  const format: ParagraphFormat = {
    style,
    outlineLevel: undefined,
    list: undefined,
    level: 0,
    tables: 0,
    endsRow: false,
    endsInnerCell: false,
    endsInnerRow: false,
    cells: [],
    isHeaderRow: false,
  };
  for (const { code, operand } of sprms(changes)) applyParagraph(format, code, operand);
  return format;
}

/** Sets what one change says; styles use it too. */
function applyParagraph(format: ParagraphFormat, code: number, operand: Buffer): void {
  const on = operand[0] === 1;
  switch (code) {
    case 0x4600:
      format.style = operand.readUInt16LE(0);
      break;
    case 0x2640:
      format.outlineLevel = operand[0] ?? 9;
      break;
    case 0x260a:
      format.level = Math.min(8, operand[0] ?? 0);
      break;
    case 0x460b:
      format.list = operand.readInt16LE(0);
      break;
    case 0x2416:
      if (on) format.tables = Math.max(1, format.tables);
      break;
    case 0x2417:
      format.endsRow = on;
      break;
    case 0x6649:
      format.tables = Math.max(0, Math.min(64, operand.readInt32LE(0)));
      break;
    case 0x244b:
      format.endsInnerCell = on;
      break;
    case 0x244c:
      format.endsInnerRow = on;
      break;
    case 0x3404:
      format.isHeaderRow = on;
      break;
    case 0xd608:
      format.cells = cellDefinitions(operand);
      break;
    default:
  }
}

function cellDefinitions(operand: Buffer): CellDefinition[] {
  const count = Math.min(63, operand[0] ?? 0);
  const cells: CellDefinition[] = [];
  for (let i = 0; i < count; i++) {
    const edgeAt = 1 + (i + 1) * 2;
    const flagsAt = 1 + (count + 1) * 2 + i * 20;
    if (edgeAt + 2 > operand.length) break;
    const flags = flagsAt + 2 <= operand.length ? operand.readUInt16LE(flagsAt) : 0;
    const isVertical = (flags & 0x20) !== 0;
    const starts = (flags & 0x40) !== 0;
    cells.push({
      edge: operand.readInt16LE(edgeAt),
      goesOnLeft: (flags & 0x02) !== 0,
      goesOnAbove: isVertical && !starts,
      startsBelow: isVertical && starts,
    });
  }
  return cells;
}

function textFormat(run: Run | undefined): TextFormat {
  const format = { bold: false, italic: false, strike: false, sub: false, sup: false, hidden: false };
  for (const { code, operand } of sprms(run?.list ?? NOTHING)) {
    // Above 1 the value is that of the style, or its contrary.
    const on = operand[0] === 1 || operand[0] === 0x81;
    if (code === 0x0835) format.bold = on;
    else if (code === 0x0836) format.italic = on;
    else if (code === 0x0837) format.strike = on;
    else if (code === 0x083c || code === 0x0800) format.hidden = on || format.hidden;
    else if (code === 0x2a48) {
      format.sup = operand[0] === 1;
      format.sub = operand[0] === 2;
    }
  }
  return format;
}
