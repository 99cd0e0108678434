import type { Block, PageFacts } from "../../model.ts";

/** What was read of one slide or sheet. */
export function pageFacts(page: number, blocks: readonly Block[]): PageFacts {
  let characters = 0;
  let images = 0;
  for (const block of blocks) {
    if (block.type === "image") images += 1;
    else characters += charactersOf(block);
  }
  return { page, characters, images };
}

/** Characters of text in a block, each cell counted once. */
export function charactersOf(block: Block): number {
  switch (block.type) {
    case "list":
      return block.items.reduce((sum, item) => sum + item.text.length, 0);
    case "table":
      return block.rows.reduce((sum, row) => sum + row.reduce((all, cell) => all + cell.text.length, 0), 0);
    case "image":
    case "page_break":
      return 0;
    default:
      return block.text.length;
  }
}
