import type { Block } from "../../extract/model.ts";
import type { BlockSpan } from "../../extract/render.ts";
import { LONG_RUN } from "./tokens.ts";

/** A piece of the text that is not cut any further. All units together are the text. */
export interface Unit {
  start: number;
  end: number;
  tokens: number;
  /** A chunk must begin here. */
  opensSection: boolean;
}

export type Strategy = "tokens" | "sentences" | "headings";

/** Bytes of a unit of the finest kind, at most: a token is never more than one byte short of nothing. */
const MAX_ATOM_BYTES = 64;
/** Characters that a token stands for in no text worth counting; longer sentences are cut without a count. */
const CHARACTERS_PER_TOKEN = 16;

/**
 * Cuts the text into units: words for the strategy `tokens`; otherwise sentences of prose and lines of tables,
 * lists and code. Whatever is longer than `maxTokens` becomes words, and words longer than 64 bytes pieces.
 */
export function* cutUnits(
  text: string,
  blocks: readonly Block[],
  spans: readonly BlockSpan[],
  options: { strategy: Strategy; maxTokens: number; countTokens: (text: string) => number },
): Generator<Unit> {
  const { strategy, maxTokens, countTokens } = options;
  const segmenter = new Intl.Segmenter("und", { granularity: "sentence" });
  const unit = (start: number, end: number, opensSection: boolean): Unit => ({
    start,
    end,
    tokens: countTokens(text.slice(start, end)),
    opensSection,
  });

  function* words(start: number, end: number, opensSection: boolean): Generator<Unit> {
    let opens = opensSection;
    for (const stop of atomEnds(text, start, end, Math.min(maxTokens, MAX_ATOM_BYTES))) {
      yield unit(start, stop, opens);
      start = stop;
      opens = false;
    }
  }

  let before: Block | undefined;
  for (const [at, region] of regions(text, spans).entries()) {
    const block = blocks[region.block];
    const heads =
      strategy === "headings" && block?.type === "heading" && before?.type !== "heading" && at > 0;
    before = block;
    if (strategy === "tokens") {
      yield* words(region.start, region.end, false);
      continue;
    }
    let opens = heads;
    for (const [start, end] of pieces(text, region, block, segmenter)) {
      const slice = text.slice(start, end);
      const short = slice.length <= maxTokens * CHARACTERS_PER_TOKEN && !LONG_RUN.test(slice);
      const whole = short ? unit(start, end, opens) : undefined;
      if (whole !== undefined && whole.tokens <= maxTokens) yield whole;
      else yield* words(start, end, opens);
      opens = false;
    }
  }
}

/** The blocks that have text, each with the separator after it, so that together they are the whole text. */
function regions(text: string, spans: readonly BlockSpan[]): BlockSpan[] {
  const filled = spans.filter((span) => span.end > span.start);
  return filled.map((span, index) => ({
    block: span.block,
    start: index === 0 ? 0 : span.start,
    end: filled[index + 1]?.start ?? text.length,
  }));
}

function* pieces(
  text: string,
  region: BlockSpan,
  block: Block | undefined,
  segmenter: Intl.Segmenter,
): Generator<[number, number]> {
  const slice = text.slice(region.start, region.end);
  if (block?.type === "table" || block?.type === "list" || block?.type === "code") {
    for (const match of slice.matchAll(/[^\n]*\n+|[^\n]+$/g)) {
      yield [region.start + match.index, region.start + match.index + match[0].length];
    }
    return;
  }
  for (const { index, segment } of segmenter.segment(slice)) {
    yield [region.start + index, region.start + index + segment.length];
  }
}

/** Ends of the words between two places; a word takes the blanks before it along, as tokens do. */
function* atomEnds(text: string, start: number, end: number, maxBytes: number): Generator<number> {
  let from = start;
  while (from < end) {
    let at = from;
    let bytes = 0;
    let inWord = false;
    while (at < end) {
      const point = text.codePointAt(at) ?? 0;
      const blank = point === 32 || (point >= 9 && point <= 13);
      if (blank && inWord) break;
      const size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
      if (bytes + size > maxBytes && at > from) break;
      inWord ||= !blank;
      bytes += size;
      at += point > 0xffff ? 2 : 1;
    }
    yield at;
    from = at;
  }
}
