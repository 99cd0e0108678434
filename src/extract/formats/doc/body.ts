import { escapeMarkdown } from "../../escape-markdown.ts";
import { cellOf } from "../../flatten.ts";
import type { OutputBudget } from "../../flow.ts";
import type { Style } from "../../inline.ts";
import type { Block } from "../../model.ts";
import { commentBlock } from "../ooxml/comment.ts";
import { createStory, type Story } from "../word/story.ts";
import type { Piece, WordFile } from "./fib.ts";
import { readFormatting, type TextFormat } from "./formatting.ts";
import { readLists } from "./lists.ts";
import { readStyles } from "./styles.ts";

export interface BodyOptions {
  includeTables: boolean;
  includeHeadersFooters: boolean;
  budget: OutputBudget;
  onProgress(done: number, total: number): void;
}

const [FOOTNOTE_REFS, FOOTNOTES, COMMENT_REFS, COMMENTS] = [2, 3, 4, 5];
const [ENDNOTE_REFS, ENDNOTES] = [46, 47];
/** Of a paragraph, a cell or row, a page or section. */
const PARAGRAPH_ENDS = new Set(["\r", "\x07", "\f"]);
const MAX_LINKS = 10_000;
const PLAIN: Style = {};
/** Fields within fields; deeper ones are read as the text around them. */
const MAX_FIELDS = 32;
const MAX_NOTES = 50_000;

/** The text of a Word document with its structure: the body, then notes and remarks. */
export function readBody(word: WordFile, options: BodyOptions): { blocks: Block[]; links: string[] } {
  const { text, parts } = word;
  const formats = readFormatting(word);
  const styleOf = readStyles(word);
  const lists = readLists(word);
  const offsetOf = offsetFinder(word.pieces);
  const links = new Set<string>();
  const footnotes = new Set(positions(word.structure(FOOTNOTE_REFS), 2));
  const endnotes = new Set(positions(word.structure(ENDNOTE_REFS), 2));
  let noteCount = 0;

  const readRange = (start: number, end: number): Block[] => {
    const story = createStory(options.budget, options.includeTables);
    // Fields within fields: the code of each, and whether its result has begun.
    const fields: { code: string; isResult: boolean; link?: string }[] = [];
    let deeper = 0;
    let run = "";
    let runStyle: Style = PLAIN;
    let paragraphStart = start;
    // In how many tables a paragraph lies stands at its end.
    let tables = 0;
    let tablesUntil = -1;
    const tablesAt = (cp: number) => {
      if (cp > tablesUntil) {
        let last = cp;
        while (last < end - 1 && !PARAGRAPH_ENDS.has(text[last] ?? "")) last++;
        tablesUntil = last;
        tables = formats.paragraph(offsetOf(last)).tables;
      }
      return tables;
    };
    const flush = (cp: number) => {
      if (run !== "") story.text(run, runStyle, tablesAt(Math.max(paragraphStart, cp - 1)));
      run = "";
    };
    const add = (cp: number, sign: string, style: Style) => {
      if (style !== runStyle) flush(cp);
      runStyle = style;
      run += sign;
    };

    let look: Style = PLAIN;
    let lookFormat: TextFormat | undefined;
    let lookLink: string | undefined;
    let formatFrom = -1;
    let format: TextFormat = formats.text(offsetOf(start));
    for (let cp = start; cp < end; cp++) {
      if (cp % 65_536 === 0) options.onProgress(cp, text.length);
      const sign = text[cp] ?? "";
      const offset = offsetOf(cp);
      if (offset !== formatFrom) format = formats.text(offset);
      formatFrom = offset;
      const field = fields.at(-1);
      if (sign === "\x13" && fields.length >= MAX_FIELDS) deeper += 1;
      else if (sign === "\x13") fields.push({ code: "", isResult: false });
      else if (sign === "\x15" && deeper > 0) deeper -= 1;
      else if (sign === "\x14" && field) {
        field.isResult = true;
        const link = linkOf(field.code);
        if (link !== undefined) {
          field.link = link;
          if (links.size < MAX_LINKS) links.add(link);
        }
      } else if (sign === "\x15") fields.pop();
      else if (fields.some((each) => !each.isResult)) {
        if (field && field.code.length < 4096) field.code += sign;
      } else if (PARAGRAPH_ENDS.has(sign)) {
        flush(cp);
        endParagraph(story, offset, sign);
        paragraphStart = cp + 1;
      } else if (format.hidden) continue;
      else if (sign === "\x02" && start === 0) {
        const isNote = footnotes.has(cp) || endnotes.has(cp);
        if (isNote) add(cp, `[${++noteCount}]`, PLAIN);
      } else {
        const shown = shownAs(sign);
        const link = fields.findLast((each) => each.link)?.link;
        if (format !== lookFormat || link !== lookLink) look = lookOf(format, link);
        lookFormat = format;
        lookLink = link;
        if (shown !== "") add(cp, shown, look);
      }
    }
    flush(end);
    if (story.hasText()) endParagraph(story, offsetOf(Math.max(start, end - 1)), "\r");
    return story.finish();
  };

  const endParagraph = (story: Story, offset: number, sign: string) => {
    const format = formats.paragraph(offset);
    const style = styleOf(format.style);
    const list = format.list ?? style.list ?? 0;
    const level = format.list === undefined ? style.level : format.level;
    const ownLevel = format.outlineLevel;
    const headingLevel =
      ownLevel !== undefined && ownLevel < 9 ? Math.min(6, ownLevel + 1) : style.headingLevel;
    const tables = sign === "\x07" ? Math.max(1, format.tables) : format.tables;
    const endsInner = tables > 1 && (format.endsInnerCell || format.endsInnerRow);
    const isRowEnd = (sign === "\x07" && format.endsRow) || (endsInner && format.endsInnerRow);
    if (isRowEnd) {
      story.endRow(tables, format.cells, format.isHeaderRow);
      return;
    }
    story.endParagraph({
      headingLevel: ownLevel === 9 ? undefined : headingLevel,
      isQuote: style.isQuote,
      item:
        list > 0 && list < 0x7ff && story.hasText() ? { level, list, ...lists.next(list, level) } : undefined,
      tables,
    });
    if (sign === "\x07" || (endsInner && format.endsInnerCell)) story.endCell(tables);
  };

  const blocks = readRange(0, Math.min(text.length, parts.main));
  let at = parts.main;
  const notes = subTexts(word.structure(FOOTNOTES), at, parts.footnotes).map(([a, b]) => readRange(a, b));
  at += parts.footnotes;
  const margins = options.includeHeadersFooters
    ? readRange(at, Math.min(text.length, at + parts.headers))
    : [];
  at += parts.headers;
  const remarks = subTexts(word.structure(COMMENTS), at, parts.comments).map(([a, b]) => readRange(a, b));
  at += parts.comments;
  notes.push(...subTexts(word.structure(ENDNOTES), at, parts.endnotes).map(([a, b]) => readRange(a, b)));
  at += parts.endnotes;
  const boxes = readRange(at, Math.min(text.length, at + parts.boxes));
  const authors = initials(word.structure(COMMENT_REFS));
  return {
    blocks: [
      ...margins,
      ...blocks,
      ...boxes,
      ...notes.flatMap((content, index) => noteBlock(content, index + 1)),
      ...remarks.flatMap((content, index) => remark(content, authors[index] ?? "")),
    ],
    links: [...links],
  };
}

/** Where the bytes of a character lie; pieces are looked up in the order of the text. */
function offsetFinder(pieces: readonly Piece[]): (cp: number) => number {
  let index = 0;
  return (cp) => {
    while (index > 0 && cp < (pieces[index]?.start ?? 0)) index--;
    while (index < pieces.length - 1 && cp >= (pieces[index]?.end ?? 0)) index++;
    const piece = pieces[index];
    return piece === undefined ? 0 : piece.offset + (cp - piece.start) * (piece.isNarrow ? 1 : 2);
  };
}

/** The positions of a table of positions with entries of this size. */
function positions(table: Buffer, entryBytes: number): number[] {
  const count = Math.min(MAX_NOTES, Math.max(0, Math.floor((table.length - 4) / (4 + entryBytes))));
  return Array.from({ length: count }, (_, i) => table.readUInt32LE(i * 4));
}

/** Each note's stretch of text. The last position is the end of a paragraph that closes the part. */
function subTexts(table: Buffer, base: number, length: number): [start: number, end: number][] {
  // Positions only rise: notes that lie over each other would be read again and again.
  let last = 0;
  const starts = Array.from({ length: Math.min(MAX_NOTES, Math.floor(table.length / 4)) }, (_, i) => {
    last = Math.max(last, Math.min(length, table.readUInt32LE(i * 4)));
    return last;
  });
  return starts
    .slice(0, -2)
    .map((start, i) => [base + start, base + Math.max(start, starts[i + 1] ?? start)]);
}

/** The initials of who made each remark. */
function initials(table: Buffer): string[] {
  const count = Math.max(0, Math.floor((table.length - 4) / 34));
  return Array.from({ length: Math.min(MAX_NOTES, count) }, (_, i) => {
    const at = (count + 1) * 4 + i * 30;
    return table.toString("utf16le", at + 2, at + 2 + Math.min(9, table.readUInt16LE(at)) * 2);
  });
}

function noteBlock(content: readonly Block[], label: number): Block[] {
  const { text, markdown } = cellOf(content);
  if (text === "") return [];
  const mark = `[${label}]`;
  return [
    {
      type: "paragraph",
      text: `${mark} ${text}`,
      markdown: `${escapeMarkdown(mark)} ${markdown ?? escapeMarkdown(text)}`,
    },
  ];
}

function remark(content: readonly Block[], author: string): Block[] {
  const { text } = cellOf(content);
  return text === "" ? [] : [commentBlock({ author, time: "", text })];
}

function lookOf(format: TextFormat, link: string | undefined): Style {
  return {
    ...(format.bold && { bold: true }),
    ...(format.italic && { italic: true }),
    ...(format.strike && { strike: true }),
    ...(format.sub && { sub: true }),
    ...(format.sup && { sup: true }),
    ...(link !== undefined && { link }),
  };
}

/** Signs with a meaning of their own as text; pictures, anchors and marks of notes are none. */
function shownAs(sign: string): string {
  if (sign >= " ") return sign >= "\uf000" && sign <= "\uf0ff" ? "" : sign;
  if (sign === "\x0b") return "\n";
  if (sign === "\t" || sign === "\x0e") return " ";
  return sign === "\x1e" ? "-" : "";
}

function linkOf(code: string): string | undefined {
  const address = /^\s*HYPERLINK\s+(?:\\[a-z]\s+)*"([^"]{1,4000})"/i.exec(code)?.[1]?.trim();
  return address !== undefined && /^(?:https?|mailto|ftp):/i.test(address) ? address : undefined;
}
