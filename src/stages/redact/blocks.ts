import type { Block, ListItem, TableCell } from "../../extract/model.ts";
import type { Redactor } from "./redactor.ts";

type Flowing = Extract<Block, { type: "heading" | "paragraph" | "quote" }>;
type Inline = { text: string; markdown?: string };

/** A paragraph may go on behind a page; longer stretches are not put together, so that memory stays small. */
const MAX_STRETCH = 64 * 1024;

/**
 * The blocks without what is looked for. Where something was found in a piece of text, its emphasis and links go: they
 * may divide, or hold, what was found.
 */
export function redactBlocks(
  blocks: readonly Block[],
  redactor: Redactor,
  onBlock: (index: number) => void = () => {},
): Block[] {
  const out = [...blocks];
  let stretch: number[] = [];
  let length = 0;
  const flush = (): void => {
    const flowing = stretch.map((index) => out[index] as Flowing);
    const texts = redactor.pieces(
      flowing.map(({ text }) => text),
      "\n\n",
    );
    for (const [at, index] of stretch.entries()) {
      const block = flowing[at] as Flowing;
      const text = texts[at] ?? "";
      out[index] = inline(block, block.type === "heading" ? onOneLine(text, redactor) : text, redactor);
    }
    stretch = [];
    length = 0;
  };
  for (const [index, block] of blocks.entries()) {
    onBlock(index);
    if (isFlowing(block)) {
      if (length > 0 && length + block.text.length > MAX_STRETCH) flush();
      stretch.push(index);
      length += block.text.length;
    } else if (block.type !== "page_break") {
      flush();
      out[index] = redactBlock(block, redactor);
    }
  }
  flush();
  return out;
}

function isFlowing(block: Block): block is Flowing {
  return block.type === "heading" || block.type === "paragraph" || block.type === "quote";
}

function redactBlock(block: Exclude<Block, Flowing>, redactor: Redactor): Block {
  switch (block.type) {
    case "list":
      return { ...block, items: block.items.map((item) => redactItem(item, redactor)) };
    case "table":
      return {
        ...block,
        rows: block.rows.map((row) => row.map((cell) => redactCell(cell, redactor))),
        ...(block.caption === undefined ? {} : { caption: redactor.text(block.caption) }),
      };
    case "code":
      return {
        ...block,
        text: redactor.text(block.text),
        ...(block.language === undefined ? {} : { language: redactor.text(block.language) }),
      };
    case "formula":
      return { ...block, text: redactor.text(block.text) };
    case "image":
      return redactImage(block, redactor);
    case "page_break":
      return block;
  }
}

function redactItem(item: ListItem, redactor: Redactor): ListItem {
  if (item.marker === undefined) return inline(item, redactor.text(item.text), redactor);
  const [marker = "", text = ""] = redactor.pieces([item.marker, item.text], " ");
  return inline({ ...item, marker }, text, redactor);
}

function redactCell(cell: TableCell, redactor: Redactor): TableCell {
  return inline(cell, onOneLine(redactor.text(cell.text), redactor), redactor);
}

function redactImage(
  { target, ...image }: Extract<Block, { type: "image" }>,
  redactor: Redactor,
): Extract<Block, { type: "image" }> {
  const alt = onOneLine(redactor.text(image.alt), redactor);
  // The bytes of a picture are no text.
  const kept = target !== undefined && (/^data:/i.test(target) || !redactor.holds(target));
  return { ...image, alt, ...(kept ? { target } : {}) };
}

/** The piece with its new text, and without its Markdown where that would show what was found. */
function inline<Part extends Inline>(part: Part, text: string, redactor: Redactor): Part {
  const { markdown, ...rest } = part;
  if (markdown === undefined) return { ...part, text };
  const kept = text === part.text && !redactor.holds(markdown);
  return (kept ? { ...part, text } : { ...rest, text }) as Part;
}

/** Cells, headings and names of images are shown on one line: what can be found only there is looked for too. */
function onOneLine(text: string, redactor: Redactor): string {
  if (!/\s\s|[^\S ]/.test(text)) return text;
  const line = text.replace(/\s+/g, " ").trim();
  const redacted = redactor.text(line);
  return redacted === line ? text : redacted;
}
