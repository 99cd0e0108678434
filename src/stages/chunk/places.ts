import type { Block } from "../../extract/model.ts";
import type { BlockSpan } from "../../extract/render.ts";

const MAX_DEPTH = 16;
const MAX_HEADING_CHARACTERS = 200;

export interface Place {
  pageStart?: number;
  pageEnd?: number;
  headingPath: string[];
}

/**
 * Tells pages and headings of slices of the text. Ask in order of `start`: one walk over the blocks serves
 * all slices.
 */
export function createPlaces(blocks: readonly Block[], spans: readonly BlockSpan[]) {
  const filled = spans.filter((span) => span.end > span.start);
  let first = 0;
  let open: { level: number; text: string }[] = [];
  let entered = -1;

  function enter(index: number): void {
    for (; entered < index; entered++) {
      const block = blocks[filled[entered + 1]?.block ?? -1];
      if (block?.type !== "heading") continue;
      const text = block.text.replace(/\s+/g, " ").slice(0, MAX_HEADING_CHARACTERS);
      open = [...open.filter((heading) => heading.level < block.level), { level: block.level, text }].slice(
        -MAX_DEPTH,
      );
    }
  }

  /** Path and pages of `text.slice(start, end)`: the headings in force where it starts, every page it touches. */
  return function placeOf(start: number, end: number): Place {
    while (first < filled.length - 1 && (filled[first]?.end ?? 0) <= start) first++;
    enter(first);
    let pageStart: number | undefined;
    let pageEnd: number | undefined;
    for (let index = first; index < filled.length && (filled[index]?.start ?? end) < end; index++) {
      const page = blocks[filled[index]?.block ?? -1]?.page;
      if (page === undefined) continue;
      pageStart = Math.min(pageStart ?? page, page);
      pageEnd = Math.max(pageEnd ?? page, page);
    }
    return {
      ...(pageStart === undefined ? {} : { pageStart }),
      ...(pageEnd === undefined ? {} : { pageEnd }),
      headingPath: open.map((heading) => heading.text),
    };
  };
}
