import { z } from "zod";
import type { Block, ListItem } from "../extract/model.ts";
import { withoutHeadersFooters } from "./normalize/headers-footers.ts";
import { type Compounds, cleanText, collectCompounds, type TextCleaning } from "./normalize/text.ts";
import { stageOptions } from "./options.ts";
import type { Stage } from "./stage.ts";

const Options = z.strictObject({
  /** Unicode to NFC, line ends to one kind, control characters out. */
  unicode: z.boolean().default(true),
  /** Ligatures such as `ﬁ` to letters. */
  ligatures: z.boolean().default(true),
  /** Words that were divided across lines are joined. */
  hyphenation: z.boolean().default(true),
  /** Headers and footers that repeat on the pages are removed. */
  headers_footers: z.boolean().default(true),
  /** Runs of blanks and empty lines are made one. */
  whitespace: z.boolean().default(true),
});

/** Media types whose pages are laid out, so that their edges may hold running headers; slides and sheets have none. */
const LAID_OUT = /^(application\/pdf$|image\/)/;
const BLOCKS_PER_PROGRESS = 5_000;

/** Cleans the text of every block; doing it twice changes nothing more. */
export const normalizeStage: Stage<z.output<typeof Options>> = {
  type: "normalize",
  version: 1,
  description: "Cleans the text: Unicode, ligatures, divided words, repeated headers and footers, blanks.",
  ...stageOptions(Options),
  async run(document, { options, progress }) {
    const before = document.blocks ?? [];
    const compounds = options.hyphenation ? collectCompounds(textsOf(before)) : new Set<string>();
    let blocks: Block[] = [];
    for (const [index, block] of before.entries()) {
      const clean = cleanBlock(block, options, compounds);
      if (!options.whitespace || !isEmpty(clean)) blocks.push(clean);
      if (index % BLOCKS_PER_PROGRESS === 0) progress(index / before.length);
    }
    if (options.headers_footers && LAID_OUT.test(document.mediaType ?? "")) {
      blocks = withoutHeadersFooters(blocks, document.pages?.length ?? 0);
    }
    return { blocks };
  },
};

function cleanBlock(block: Block, parts: TextCleaning, compounds: Compounds): Block {
  switch (block.type) {
    case "heading":
    case "paragraph":
    case "quote":
      return cleanInline(block, parts, compounds);
    case "list":
      return { ...block, items: cleanItems(block.items, parts, compounds) };
    case "table":
      return {
        ...block,
        ...(block.caption === undefined ? {} : { caption: cleanText(block.caption, parts, compounds) }),
        rows: block.rows.map((row) => row.map((cell) => cleanInline(cell, parts, compounds))),
      };
    case "code":
    case "formula":
      // Blanks, hyphens and signs mean something here.
      return { ...block, text: cleanText(block.text, onlyUnicode(parts), compounds) };
    case "image":
      return { ...block, alt: cleanText(block.alt, parts, compounds) };
    case "page_break":
      return block;
  }
}

function cleanItems(items: ListItem[], parts: TextCleaning, compounds: Compounds): ListItem[] {
  const clean = items.map((item) => cleanInline(item, parts, compounds));
  return parts.whitespace ? clean.filter((item) => item.text !== "") : clean;
}

function cleanInline<Part extends { text: string; markdown?: string }>(
  part: Part,
  parts: TextCleaning,
  compounds: Compounds,
): Part {
  const clean = { ...part, text: cleanText(part.text, parts, compounds) };
  if (part.markdown !== undefined) {
    // Two blanks at a line's end are a line break in Markdown, four at its start are code.
    clean.markdown = cleanText(part.markdown, { ...parts, whitespace: false }, compounds);
  }
  return clean;
}

function onlyUnicode({ unicode }: TextCleaning): TextCleaning {
  return { unicode, ligatures: false, hyphenation: false, whitespace: false };
}

function isEmpty(block: Block): boolean {
  switch (block.type) {
    case "heading":
    case "paragraph":
    case "quote":
    case "code":
    case "formula":
      return block.text.trim() === "";
    case "list":
      return block.items.length === 0;
    default:
      return false;
  }
}

function* textsOf(blocks: readonly Block[]): Generator<string> {
  for (const block of blocks) {
    if (block.type === "list") for (const item of block.items) yield item.text;
    else if (block.type === "heading" || block.type === "paragraph" || block.type === "quote")
      yield block.text;
  }
}
