import { z } from "zod";
import { renderText } from "../extract/render.ts";
import { createPlaces } from "./chunk/places.ts";
import { LONG_RUN, loadTokenCounter } from "./chunk/tokens.ts";
import { cutUnits, type Unit } from "./chunk/units.ts";
import { stageOptions } from "./options.ts";
import type { Chunk, Stage } from "./stage.ts";

const DEFAULT_MAX_TOKENS = 512;
const DEFAULT_OVERLAP = 64;
/** A single sign of a rare script may be four tokens; a chunk must hold some of them. */
const LEAST_MAX_TOKENS = 16;
const CHUNKS_PER_PROGRESS = 50;

const Options = z
  .strictObject({
    /** Where to cut. */
    strategy: z.enum(["tokens", "sentences", "headings"]).default("tokens"),
    /** Tokens a chunk at most; 0 = 512. */
    max_tokens: z
      .number()
      .int()
      .max(32_768)
      .refine((n) => n === 0 || n >= LEAST_MAX_TOKENS, "Give 0 for the default of 512, or at least 16.")
      .default(0),
    /** Tokens that a chunk repeats of the one before; unset = 64, or an eighth of small chunks. */
    overlap: z.number().int().min(0).max(16_384).optional(),
  })
  .refine(
    ({ max_tokens, overlap }) => overlap === undefined || overlap < (max_tokens || DEFAULT_MAX_TOKENS),
    {
      path: ["overlap"],
      message: "Must be less than max_tokens.",
      when: ({ issues }) => issues.length === 0,
    },
  );

/**
 * Cuts the rendered text into chunks. `text.slice(start, end)` is exactly the chunk; without overlap the chunks
 * joined are the text. No chunk has more than `max_tokens` tokens (encoding o200k). Chunks end at unit borders
 * (words, sentences or sections, by strategy), and overlap never reaches over the start of a section.
 */
export const chunkStage: Stage<z.output<typeof Options>> = {
  type: "chunk",
  version: 1,
  description:
    "Cuts the text into chunks by tokens, sentences or headings, each with its pages and headings.",
  ...stageOptions(Options, { strategy: "CHUNK_STRATEGY_" }),
  async warm() {
    await loadTokenCounter();
  },
  async run(document, { options, progress }) {
    const blocks = document.blocks ?? [];
    const { text, spans } = renderText(blocks);
    const maxTokens = options.max_tokens || DEFAULT_MAX_TOKENS;
    const overlap = options.overlap ?? Math.min(DEFAULT_OVERLAP, Math.floor(maxTokens / 8));
    const countTokens = await loadTokenCounter();
    const units = cutUnits(text, blocks, spans, { strategy: options.strategy, maxTokens, countTokens });
    const placeOf = createPlaces(blocks, spans);
    const chunks: Chunk[] = [];
    for (const slice of pack(units, text, { maxTokens, overlap, countTokens })) {
      const index = chunks.length;
      chunks.push({
        index,
        text: text.slice(slice.start, slice.end),
        ...slice,
        ...placeOf(slice.start, slice.end),
      });
      if (index % CHUNKS_PER_PROGRESS === 0) progress(slice.end / text.length);
    }
    return { chunks };
  },
};

interface Slice {
  start: number;
  end: number;
  tokens: number;
}

/** Fills chunks one unit after the other; every chunk has at least one unit that the one before had not. */
function* pack(
  units: Iterable<Unit>,
  text: string,
  options: { maxTokens: number; overlap: number; countTokens: (text: string) => number },
): Generator<Slice> {
  const { maxTokens, overlap } = options;
  let held: Unit[] = [];
  let sum = 0;
  let fresh = 0;

  const take = (unit: Unit) => {
    held.push(unit);
    sum += unit.tokens;
    fresh++;
  };
  /** The chunk of all held units; leaves those that the next one repeats, and those that did not fit after all. */
  const close = (keepOverlap: boolean): Slice => {
    const back: Unit[] = [];
    let tokens = exactTokens(held, text, sum, options.countTokens);
    while (tokens > maxTokens && fresh > 1) {
      const last = held.pop();
      if (last === undefined) break;
      back.unshift(last);
      sum -= last.tokens;
      fresh--;
      tokens = exactTokens(held, text, sum, options.countTokens);
    }
    while (tokens > maxTokens && held.length > 1) {
      sum -= held.shift()?.tokens ?? 0;
      tokens = exactTokens(held, text, sum, options.countTokens);
    }
    const slice = { start: held[0]?.start ?? 0, end: held.at(-1)?.end ?? 0, tokens };
    held = keepOverlap || back.length > 0 ? lastUnits(held, overlap) : [];
    sum = held.reduce((total, unit) => total + unit.tokens, 0);
    fresh = 0;
    for (const unit of back) {
      makeRoom(unit.tokens);
      take(unit);
    }
    return slice;
  };
  const makeRoom = (tokens: number) => {
    while (fresh === 0 && held.length > 0 && sum + tokens > maxTokens) sum -= held.shift()?.tokens ?? 0;
  };

  for (const unit of units) {
    while (fresh > 0 && (unit.opensSection || sum + unit.tokens > maxTokens)) yield close(!unit.opensSection);
    if (unit.opensSection) {
      held = [];
      sum = 0;
    }
    makeRoom(unit.tokens);
    take(unit);
  }
  while (fresh > 0) yield close(true);
}

/** The last units that together have at most `tokens` tokens; never all of them. */
function lastUnits(units: readonly Unit[], tokens: number): Unit[] {
  let from = units.length;
  let sum = 0;
  while (from > 1) {
    sum += units[from - 1]?.tokens ?? 0;
    if (sum > tokens) break;
    from--;
  }
  return units.slice(from);
}

/** Tokens of the units as one text; their sum where counting anew would take too long. */
function exactTokens(
  units: readonly Unit[],
  text: string,
  sum: number,
  countTokens: (text: string) => number,
): number {
  const slice = text.slice(units[0]?.start ?? 0, units.at(-1)?.end ?? 0);
  return LONG_RUN.test(slice) ? sum : countTokens(slice);
}
