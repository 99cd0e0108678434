import { codeSpan, escapeMarkdown, imageMarkdown } from "./escape-markdown.ts";
import type { Block, TableCell } from "./model.ts";

/** Blocks as the content of one table cell: a line each, lists with their markers, inner tables row by row. */
export function cellOf(blocks: readonly Block[]): { text: string; markdown?: string } {
  const lines = blocks.flatMap(linesOf).filter((line) => line.text !== "" || line.markdown);
  const text = lines.map((line) => line.text).join("\n");
  if (lines.every((line) => line.markdown === undefined)) return { text };
  return { text, markdown: lines.map(markdownOf).join("\n") };
}

type Line = { text: string; markdown?: string };

export const markdownOf = (line: Line) => line.markdown ?? escapeMarkdown(line.text);

function linesOf(block: Block): Line[] {
  switch (block.type) {
    case "list": {
      let number = 0;
      return block.items.map((item) => {
        const marker = item.marker ?? (block.ordered ? `${++number}.` : "-");
        const line: Line = { text: `${marker} ${item.text}` };
        if (item.markdown !== undefined) line.markdown = `${escapeMarkdown(marker)} ${item.markdown}`;
        return line;
      });
    }
    case "table":
      return block.rows.map((row) => ({ text: row.map((cell: TableCell) => cell.text).join(" ") }));
    case "code":
      return [{ text: block.text, markdown: codeSpan(block.text) }];
    case "formula":
      return [{ text: block.text, markdown: `$${block.text.replaceAll("$", "\\$")}$` }];
    case "image":
      return [{ text: block.alt, markdown: imageMarkdown(block.alt, block.target) }];
    case "page_break":
      return [];
    default:
      return [
        block.markdown === undefined ? { text: block.text } : { text: block.text, markdown: block.markdown },
      ];
  }
}
