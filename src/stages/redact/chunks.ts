import type { Block } from "../../extract/model.ts";
import { type BlockSpan, renderText } from "../../extract/render.ts";
import { createPlaces } from "../chunk/places.ts";
import { LONG_RUN, loadTokenCounter } from "../chunk/tokens.ts";
import type { Chunk } from "../stage.ts";
import type { Redactor } from "./redactor.ts";

/**
 * The chunks as slices of the text after redaction: each keeps its share of what stayed, and a replacement goes to one
 * side of a border as a whole. A chunk of which nothing is left is left out. Tokens are counted anew where a chunk has
 * changed; a replacement longer than what it replaces may bring one above its bound.
 */
export async function moveChunks(
  chunks: readonly Chunk[],
  before: readonly Block[],
  after: readonly Block[],
  redactor: Redactor,
): Promise<Chunk[]> {
  const [old, now] = [renderText(before), renderText(after)];
  const move = createMover(old, now, redactor);
  const placeOf = createPlaces(after, now.spans);
  const countTokens = await loadTokenCounter();
  const moved: Chunk[] = [];
  for (const { start: from, end: to, text: was, tokens } of chunks) {
    const [start, end] = [move(from), move(to)];
    const text = now.text.slice(start, end);
    if (text === "" && was !== "") continue;
    moved.push({
      index: moved.length,
      text,
      start,
      end,
      tokens: text === was ? tokens : LONG_RUN.test(text) ? Math.min(tokens, text.length) : countTokens(text),
      ...placeOf(start, end),
    });
  }
  return moved;
}

interface Rendered {
  readonly text: string;
  readonly spans: readonly BlockSpan[];
}

/** Where an offset of the old text lies in the new one; never behind that of a later offset. */
function createMover(old: Rendered, now: Rendered, redactor: Redactor): (offset: number) => number {
  const starts = old.spans.map(({ start }) => start);
  const inner = new Map<number, (offset: number) => number>();
  return (offset) => {
    if (offset >= old.text.length) return now.text.length;
    const at = Math.max(0, lastAtMost(starts, offset));
    const [from, to] = [old.spans[at], now.spans[at]];
    if (!from || !to) return 0;
    if (offset >= from.end) return Math.min(to.end + (offset - from.end), now.spans[at + 1]?.start ?? to.end);
    let within = inner.get(at);
    if (!within) {
      within = createInnerMover(
        old.text.slice(from.start, from.end),
        now.text.slice(to.start, to.end),
        redactor,
      );
      inner.set(at, within);
    }
    return to.start + within(offset - from.start);
  };
}

/** The same within one block. */
function createInnerMover(old: string, now: string, redactor: Redactor): (offset: number) => number {
  if (old === now) return (offset) => offset;
  const { length } = redactor.replacement;
  const places = redactor.places(old);
  const fits =
    now.length === places.reduce((sum, { start, end }) => sum - (end - start) + length, old.length);
  const edits = fits ? places : [changed(old, now)];
  const added = fits ? length : now.length - old.length + ((edits[0]?.end ?? 0) - (edits[0]?.start ?? 0));
  const starts = edits.map(({ start }) => start);
  let shift = 0;
  const shifts = edits.map(({ start, end }) => {
    shift += added - (end - start);
    return shift;
  });
  return (offset) => {
    const at = lastAtMost(starts, offset - 1);
    if (at < 0) return offset;
    // Inside of what was replaced: behind the replacement.
    return Math.max(offset, edits[at]?.end ?? 0) + (shifts[at] ?? 0);
  };
}

/** The part of the old text between what both texts begin and end with. */
function changed(old: string, now: string): { start: number; end: number } {
  const least = Math.min(old.length, now.length);
  let start = 0;
  while (start < least && old[start] === now[start]) start++;
  let same = 0;
  while (same < least - start && old[old.length - 1 - same] === now[now.length - 1 - same]) same++;
  return { start, end: old.length - same };
}

/** The last place in the sorted numbers whose number is at most `most`; -1 when none is. */
function lastAtMost(numbers: readonly number[], most: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] ?? 0) <= most) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
