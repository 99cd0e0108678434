import type { Block } from "../../extract/model.ts";

/** Below this many pages nothing can be told from chance. */
const MIN_PAGES = 3;
/** Share of the pages on which a line must stand; left and right pages often have headers of their own. */
const MIN_SHARE = 0.3;
const MAX_CHARACTERS = 150;

type Edge = "top" | "bottom";

/**
 * Removes what repeats at the top or bottom of pages: lines with a number that grows with the pages altogether,
 * running titles but for the first, since a title belongs to the text once. Done from the edge inwards until
 * nothing repeats.
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
  const found = new Map<string, { page: number[]; index: number }[]>();
  for (const page of pages) {
    const index = edge === "top" ? page[0] : page.at(-1);
    if (index === undefined) continue;
    for (const key of repeatKeys(blocks[index])) {
      const holders = found.get(key);
      if (holders === undefined) found.set(key, [{ page, index }]);
      else holders.push({ page, index });
    }
  }
  let any = false;
  for (const [key, holders] of found) {
    if (holders.length < needed) continue;
    for (const { page, index } of key.includes(PAGE_NUMBER) ? holders : holders.slice(1)) {
      // Another key of the same line may have removed it.
      if (removed.has(index)) continue;
      if (edge === "top") page.shift();
      else page.pop();
      removed.add(index);
      any = true;
    }
  }
  return any;
}

/** Stands in a key for a number, followed by its distance to the page's own; occurs in no cleaned text. */
const PAGE_NUMBER = "\u0000";
const MAX_NUMBERS = 4;

/**
 * What makes two lines the same: the text itself, or the text with one of its numbers taken relative to the
 * page. `Page 3 of 9` and `Page 4 of 9` then agree, `Chapter 1` on page 5 and `Chapter 2` on page 19 do not.
 */
function repeatKeys(block: Block | undefined): string[] {
  if ((block?.type !== "paragraph" && block?.type !== "heading") || block.page === undefined) return [];
  if (block.text.length > MAX_CHARACTERS) return [];
  const page = block.page;
  const text = block.text.toLowerCase().replaceAll(PAGE_NUMBER, "").replace(/\s+/g, " ").trim();
  const numbers = [...text.matchAll(/\d{1,6}/g)].slice(0, MAX_NUMBERS);
  return [
    text,
    ...numbers.map(
      ({ 0: digits, index }) =>
        `${text.slice(0, index)}${PAGE_NUMBER}${Number(digits) - page}${text.slice(index + digits.length)}`,
    ),
  ];
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
