import fc from "fast-check";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { expect, test } from "vitest";
import type { Block } from "../../../src/extract/model.ts";
import { renderText } from "../../../src/extract/render.ts";
import { chunkStage } from "../../../src/stages/chunk.ts";
import { after, anyBlocks, documentOf } from "./support.ts";

const tokensOf = (text: string) =>
  countTokens(text, { allowedSpecial: new Set(), disallowedSpecial: new Set() });
const chunk = async (blocks: Block[], raw: unknown) =>
  (await after(chunkStage, documentOf(blocks), raw)).chunks!;

const anyOptions = fc.record({
  strategy: fc.constantFrom("tokens", "sentences", "headings"),
  max_tokens: fc.constantFrom(16, 17, 24, 64, 512),
});

test("chunks without overlap joined are the text, each an exact slice within its tokens", async () => {
  await fc.assert(
    fc.asyncProperty(anyBlocks, anyOptions, async (blocks, options) => {
      const { text } = renderText(blocks);
      const chunks = await chunk(blocks, { ...options, overlap: 0 });
      expect(chunks.map((each) => each.text).join("")).toBe(text);
      for (const [index, each] of chunks.entries()) {
        expect(each.index).toBe(index);
        expect(text.slice(each.start, each.end)).toBe(each.text);
        expect(each.tokens).toBe(tokensOf(each.text));
        expect(each.tokens).toBeLessThanOrEqual(options.max_tokens);
        expect(each.end).toBeGreaterThan(each.start);
      }
    }),
    { numRuns: 400 },
  );
});

test("chunks with overlap leave no gap, go forward and stay within their tokens", async () => {
  const overlapping = fc.tuple(anyBlocks, anyOptions, fc.integer({ min: 1, max: 15 }));
  await fc.assert(
    fc.asyncProperty(overlapping, async ([blocks, options, overlap]) => {
      const { text } = renderText(blocks);
      const chunks = await chunk(blocks, { ...options, overlap });
      let end = 0;
      let start = -1;
      for (const each of chunks) {
        expect(text.slice(each.start, each.end)).toBe(each.text);
        expect(each.tokens).toBeLessThanOrEqual(options.max_tokens);
        expect(each.start).toBeLessThanOrEqual(end);
        expect(each.start).toBeGreaterThan(start);
        expect(each.end).toBeGreaterThan(end);
        ({ start, end } = each);
      }
      expect(end).toBe(text.length);
    }),
    { numRuns: 400 },
  );
});

const sentence = (n: number) => `Sentence number ${n} tells what was measured on that day. `;
const prose = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => sentence(from + i))
    .join("")
    .trim();

const paper: Block[] = [
  { type: "heading", level: 1, text: "Report", page: 1 },
  { type: "heading", level: 2, text: "Methods", page: 1 },
  { type: "paragraph", text: prose(1, 6), page: 1 },
  { type: "paragraph", text: prose(7, 6), page: 2 },
  { type: "heading", level: 2, text: "Results", page: 3 },
  { type: "paragraph", text: prose(20, 2), page: 3 },
];

test("headings: a chunk holds one section only, and knows its path and pages", async () => {
  const chunks = await chunk(paper, { strategy: "headings", max_tokens: 512 });
  expect(chunks.map((each) => each.headingPath)).toEqual([["Report"], ["Report", "Results"]]);
  expect(chunks.map((each) => [each.pageStart, each.pageEnd])).toEqual([
    [1, 2],
    [3, 3],
  ]);
  expect(chunks[1]!.text.startsWith("Results")).toBe(true);
});

test("sentences: a chunk ends with a sentence, and the overlap repeats whole ones", async () => {
  const chunks = await chunk(paper, { strategy: "sentences", max_tokens: 48, overlap: 16 });
  for (const each of chunks) expect(each.text.trimEnd()).toMatch(/(\.|Report|Methods|Results)$/);
  const [, second, third] = chunks;
  expect(third!.start).toBeLessThan(second!.end);
  expect(third!.text).toMatch(/^Sentence number/);
  expect(second!.headingPath).toEqual(["Report", "Methods"]);
});

test("a table is cut between its rows", async () => {
  const rows = Array.from({ length: 40 }, (_, i) => [{ text: `row ${i}` }, { text: `value ${i * 7}` }]);
  const chunks = await chunk([{ type: "table", rows, headerRows: 0 }], {
    strategy: "sentences",
    max_tokens: 40,
    overlap: 0,
  });
  expect(chunks.length).toBeGreaterThan(3);
  for (const each of chunks) expect(each.text).toMatch(/^row \d+\tvalue \d+\n/);
});

test("a million characters without a blank are cut within seconds", async () => {
  const chunks = await chunk([{ type: "paragraph", text: "a".repeat(1_000_000) }], {
    strategy: "sentences",
    overlap: 0,
  });
  expect(chunks.map((each) => each.text.length).reduce((a, b) => a + b)).toBe(1_000_000);
}, 10_000);

test("what looks like a special token is text, and a document without text has no chunks", async () => {
  const [only] = await chunk([{ type: "paragraph", text: "before <|endoftext|> after" }], {});
  expect(only!.text).toBe("before <|endoftext|> after");
  expect(await chunk([], {})).toEqual([]);
});

test("all faults of the options are named at once", () => {
  expect(chunkStage.parseOptions({})).toEqual({ strategy: "tokens", max_tokens: 0 });
  expect(chunkStage.parseOptions({ strategy: "CHUNK_STRATEGY_HEADINGS", overlap: null })).toMatchObject({
    strategy: "headings",
  });
  expect(() => chunkStage.parseOptions({ strategy: "pages", max_tokens: 5, size: 1, Overlap: 2 })).toThrow(
    expect.objectContaining({
      name: "StageOptionsError",
      faults: [
        { field: "strategy", description: expect.any(String) },
        { field: "max_tokens", description: expect.stringContaining("at least 16") },
        { field: "size", description: "This stage has no such option." },
        { field: "Overlap", description: "This stage has no such option." },
      ],
    }),
  );
  expect(() => chunkStage.parseOptions({ max_tokens: 64, overlap: 64 })).toThrow("less than max_tokens");
});
