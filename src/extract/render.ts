import { cellMarkdown, escapeMarkdown, fencedCode, guardLines, imageMarkdown } from "./escape-markdown.ts";
import type { Block, ListItem, TableCell } from "./model.ts";
import { type RepeatBudget, repeatBudget, tableGrid } from "./table-grid.ts";

/** Where a block stands in the rendered text, in UTF-16 units: `text.slice(start, end)`. */
export interface BlockSpan {
  block: number;
  start: number;
  end: number;
}

/** Deeper levels of a list are drawn at this one: indentation must not grow with the square of the nesting. */
const MAX_LIST_LEVEL = 24;

/**
 * The document as plain text. Blocks are parted by one blank line, rows of a table are lines with tabs
 * between cells, list items keep their markers. `spans` has one entry a block, in order, not overlapping;
 * a block without text (a page break) has an empty one.
 */
export function renderText(blocks: readonly Block[]): { text: string; spans: BlockSpan[] } {
  const budget = repeatBudget();
  const parts: string[] = [];
  const spans: BlockSpan[] = [];
  let length = 0;
  for (const [block, each] of blocks.entries()) {
    const text = blockText(each, budget);
    if (text === "") {
      spans.push({ block, start: length, end: length });
      continue;
    }
    if (length > 0) {
      parts.push("\n\n");
      length += 2;
    }
    parts.push(text);
    spans.push({ block, start: length, end: length + text.length });
    length += text.length;
  }
  return { text: parts.join(""), spans };
}

function blockText(block: Block, budget: RepeatBudget): string {
  switch (block.type) {
    case "list":
      return numbered(block.items, block.ordered)
        .map(({ item, marker }) => `${"  ".repeat(levelOf(item))}${marker} ${item.text}`.trimEnd())
        .join("\n");
    case "table": {
      const rows = tableGrid(block.rows, budget).map((row) => row.map(cellText).join("\t").trimEnd());
      return [block.caption ?? "", ...rows].filter((line) => line.trim() !== "").join("\n");
    }
    case "image":
      return block.alt.trim();
    case "page_break":
      return "";
    default:
      return block.text.trim() === "" ? "" : block.text;
  }
}

const cellText = (cell: TableCell) => cell.text.replace(/\s+/g, " ").trim();

/**
 * The document as GitHub-flavoured Markdown. Text never turns into structure: what would start a heading, a
 * list or a tag is escaped. A table without header rows gets an empty one, as the syntax wants it.
 */
export function renderMarkdown(blocks: readonly Block[]): string {
  const budget = repeatBudget();
  const parts: string[] = [];
  let before: Block | undefined;
  for (const block of blocks) {
    const markdown = blockMarkdown(block, budget);
    if (markdown === "") continue;
    // Two lists in a row would read as one.
    if (block.type === "list" && before?.type === "list") parts.push("<!-- -->");
    parts.push(markdown);
    before = block;
  }
  return parts.length === 0 ? "" : `${parts.join("\n\n")}\n`;
}

function blockMarkdown(block: Block, budget: RepeatBudget): string {
  switch (block.type) {
    case "heading": {
      const line = inlineOf(block).replace(/\s+/g, " ").trim();
      const level = Math.min(6, Math.max(1, Math.trunc(block.level)));
      return line === "" ? "" : `${"#".repeat(level)} ${guardClosing(line)}`;
    }
    case "paragraph":
      return guardLines(inlineOf(block));
    case "quote":
      return guardLines(inlineOf(block)).replace(/^(?=.)/gm, "> ");
    case "list":
      return listMarkdown(block.items, block.ordered);
    case "table":
      return tableMarkdown(block, budget);
    case "code":
      return block.text.trim() === "" ? "" : fencedCode(block.text, block.language);
    case "formula":
      if (block.text.trim() === "") return "";
      if (/\$|\n\s*\n/.test(block.text)) return fencedCode(block.text, "math");
      return `$$\n${block.text.trim()}\n$$`;
    case "image":
      return block.alt.trim() === "" && !block.target ? "" : imageMarkdown(block.alt, block.target);
    case "page_break":
      return "";
  }
}

/** A heading's last `#` signs would be taken for its end mark. */
function guardClosing(line: string): string {
  let start = line.length;
  while (line[start - 1] === "#") start--;
  const closes = start < line.length && (start === 0 || line[start - 1] === " ");
  return closes ? `${line.slice(0, start)}\\${line.slice(start)}` : line;
}

const inlineOf = (part: { text: string; markdown?: string }) => part.markdown ?? escapeMarkdown(part.text);

function levelOf(item: ListItem): number {
  return Math.min(MAX_LIST_LEVEL, Math.max(0, Math.trunc(item.level)));
}

/** Gives items of ordered lists without a marker their number, counted anew below each parent. */
function numbered(items: readonly ListItem[], ordered: boolean): { item: ListItem; marker: string }[] {
  const counts: number[] = [];
  return items.map((item) => {
    const level = levelOf(item);
    counts.length = Math.min(counts.length, level + 1);
    const shown = Number.parseInt(item.marker ?? "", 10);
    counts[level] = Number.isNaN(shown) ? (counts[level] ?? 0) + 1 : shown;
    return { item, marker: item.marker ?? (ordered ? `${counts[level]}.` : "-") };
  });
}

function listMarkdown(items: readonly ListItem[], ordered: boolean): string {
  const indents: number[] = [];
  const lines: string[] = [];
  for (const { item, marker } of numbered(items, ordered)) {
    const level = Math.min(levelOf(item), indents.length);
    const indent = level === 0 ? 0 : (indents[level - 1] ?? 0);
    const native = /^\d{1,9}[.)]$/.test(marker) || /^-(?: \[[ x]\])?$/.test(marker);
    // A sign becomes Markdown's own; letters, Roman and nested numbers stay in the text.
    const sign = native ? marker : "-";
    const kept = native || !/[\p{L}\p{N}]/u.test(marker) ? "" : `${escapeMarkdown(marker)} `;
    indents.length = level;
    indents[level] = indent + (/^\d/.test(sign) ? sign.length + 1 : 2);
    const text = `${kept}${guardLines(inlineOf(item))}`;
    const body = text.replaceAll("\n", `\n${" ".repeat(indents[level])}`);
    lines.push(`${" ".repeat(indent)}${sign} ${body}`.trimEnd());
  }
  return lines.join("\n");
}

function tableMarkdown(table: Extract<Block, { type: "table" }>, budget: RepeatBudget): string {
  const grid = tableGrid(table.rows, budget);
  const caption = guardLines(escapeMarkdown(table.caption ?? ""));
  const width = grid.reduce((most, row) => Math.max(most, row.length), 0);
  if (width === 0) return caption;
  const header = table.headerRows > 0 ? (grid.shift() ?? []) : [];
  // Short body rows need no filling; the header alone says how wide the table is.
  const full = [...header, ...Array.from({ length: width - header.length }, () => ({ text: "" }))];
  const line = (row: readonly TableCell[]) =>
    `| ${row.map((cell) => cellMarkdown(inlineOf(cell))).join(" | ")} |`;
  const rows = [line(full), `|${" --- |".repeat(width)}`, ...grid.filter((row) => row.length > 0).map(line)];
  return caption === "" ? rows.join("\n") : `${caption}\n\n${rows.join("\n")}`;
}
