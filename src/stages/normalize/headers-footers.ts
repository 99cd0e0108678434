import type { Block } from "../../extract/model.ts";

/** Below this many pages nothing can be told from chance. */
const MIN_PAGES = 3;
/** Share of the pages on which a line must stand; left and right pages often have headers of their own. */
const MIN_SHARE = 0.3;
const MAX_CHARACTERS = 150;

type Edge = "top" | "bottom";

/**
 * Removes what repeats at the top or bottom of pages, digits apart: page numbers altogether, running titles
 * but for the first, since a title belongs to the text once. Done from the edge inwards until nothing repeats.
 */
export function withoutHeadersFooters(blocks: readonly Block[], pageCount: number): Block[] {
  const pages = blocksByPage(blocks);
  const needed = Math.max(MIN_PAGES, Math.ceil(MIN_SHARE * Math.max(pageCount, pages.length)));
  const removed = new Set<number>();
  if (pages.length >= MIN_PAGES) {
    for (const edge of ["top", "bottom"] as const) {
      while (removeRepeated(blocks, pages, edge, needed, removed));
    }
  }
  return removed.size === 0 ? [...blocks] : blocks.filter((_, index) => !removed.has(index));
}

/** One layer of one edge; true if something was removed. */
function removeRepeated(
  blocks: readonly Block[],
  pages: number[][],
  edge: Edge,
  needed: number,
  removed: Set<number>,
): boolean {
  const found = new Map<string, number[][]>();
  for (const page of pages) {
    const index = edge === "top" ? page[0] : page.at(-1);
    const key = index === undefined ? null : repeatKey(blocks[index]);
    if (key === null) continue;
    const holders = found.get(key);
    if (holders === undefined) found.set(key, [page]);
    else holders.push(page);
  }
  let any = false;
  for (const [key, holders] of found) {
    if (holders.length < needed) continue;
    for (const page of /\p{L}/u.test(key.replace(/^\p{L}+ #/u, "#")) ? holders.slice(1) : holders) {
      const index = edge === "top" ? page.shift() : page.pop();
      if (index !== undefined) removed.add(index);
      any = true;
    }
  }
  return any;
}

/** What makes two lines the same: the text in lower case with every number as `#`; null for what is no line. */
function repeatKey(block: Block | undefined): string | null {
  if (block?.type !== "paragraph" && block?.type !== "heading") return null;
  if (block.text.length > MAX_CHARACTERS) return null;
  return block.text
    .toLowerCase()
    .replace(/\p{N}+/gu, "#")
    .replace(/\s+/g, " ")
    .trim();
}

/** Indexes of the blocks of each page, page breaks left out. */
function blocksByPage(blocks: readonly Block[]): number[][] {
  const pages = new Map<number, number[]>();
  for (const [index, block] of blocks.entries()) {
    if (block.type === "page_break" || block.page === undefined) continue;
    const page = pages.get(block.page);
    if (page === undefined) pages.set(block.page, [index]);
    else page.push(index);
  }
  return [...pages.values()];
}
