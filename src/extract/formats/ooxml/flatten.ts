import { escapeMarkdown, imageMarkdown } from "../../escape-markdown.ts";
import type { Block } from "../../model.ts";
import { type Inline, joinInline } from "./inline.ts";

/** Blocks as the lines of one cell or note; list items keep their markers, rows of an inner table are lines. */
export function flattenBlocks(blocks: readonly Block[]): Inline {
  return joinInline(blocks.flatMap(linesOf), "\n");
}

function linesOf(block: Block): Inline[] {
  switch (block.type) {
    case "list":
      return block.items.map((item) => {
        const marker = item.marker ?? (block.ordered ? "" : "-");
        const text = `${marker} ${item.text}`.trim();
        if (item.markdown === undefined) return { text };
        return { text, markdown: `${escapeMarkdown(marker)} ${item.markdown}`.trim() };
      });
    case "table": {
      const rows = block.rows.map((row) => joinInline(row.map(oneLine), " | "));
      return block.caption ? [{ text: block.caption }, ...rows] : rows;
    }
    case "formula":
      return [{ text: `$${block.text}$`, markdown: `$${block.text}$` }];
    case "image":
      return block.alt === "" ? [] : [{ text: block.alt, markdown: imageMarkdown(block.alt, block.target) }];
    case "page_break":
      return [];
    case "code":
      return [{ text: block.text }];
    default:
      return block.text === "" ? [] : [inline(block)];
  }
}

const inline = (part: Inline): Inline =>
  part.markdown === undefined ? { text: part.text } : { text: part.text, markdown: part.markdown };

function oneLine(part: Inline): Inline {
  const text = part.text.replace(/\s+/g, " ");
  return part.markdown === undefined ? { text } : { text, markdown: part.markdown.replace(/\s+/g, " ") };
}
