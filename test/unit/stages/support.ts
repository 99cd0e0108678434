import fc from "fast-check";
import { DEFAULT_EXTRACT_LIMITS } from "../../../src/extract/extractor.ts";
import type { Block } from "../../../src/extract/model.ts";
import type { Stage, WorkingDocument } from "../../../src/stages/stage.ts";

/** A document of these blocks, with fields changed. */
export function documentOf(blocks: Block[], changes: Partial<WorkingDocument> = {}): WorkingDocument {
  return {
    source: { filename: "paper.pdf", declaredMediaType: "", sizeBytes: 1, sha256: "" },
    mediaType: "application/pdf",
    blocks,
    properties: {},
    facts: {},
    warnings: [],
    ...changes,
  };
}

/** The document after a stage with these raw options. */
export async function after<Options>(
  stage: Stage<Options>,
  document: WorkingDocument,
  raw: unknown = {},
): Promise<WorkingDocument> {
  const changes = await stage.run(document, {
    stage: stage.type,
    options: stage.parseOptions(raw),
    limits: DEFAULT_EXTRACT_LIMITS,
    signal: new AbortController().signal,
    sourcePath: "",
    progress: () => {},
    log: () => {},
  });
  return { ...document, ...changes };
}

/** Text as documents hold it: words, broken lines, odd signs, every kind of blank. */
export const anyText = fc
  .array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.constantFrom(
          "word",
          "and",
          "Größe",
          "well-known",
          "naïve",
          "的文本",
          "مرحبا",
          "Ünı",
          "3.14",
        ),
      },
      {
        weight: 3,
        arbitrary: fc.constantFrom(" ", "\n", "-\n", "-", "\u00AD", "\u00AD\n", ". ", "\t", "\u00A0", "\r\n"),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          "ﬁ",
          "ﬄ",
          "ﻻ",
          "\u200B",
          "\uFEFF",
          "e\u0301",
          "\u0301",
          "\u0000",
          "\u2028",
          "😀",
          "\uD800",
          "\uFFFD",
          "\uE000",
        ),
      },
      { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 6 }) },
    ),
    { maxLength: 30 },
  )
  .map((pieces) => pieces.join(""));

const page = fc.integer({ min: 1, max: 6 });

export const anyBlock: fc.Arbitrary<Block> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("heading" as const),
      level: fc.integer({ min: 1, max: 6 }),
      text: anyText,
      page,
    }),
  },
  { weight: 5, arbitrary: fc.record({ type: fc.constant("paragraph" as const), text: anyText, page }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("paragraph" as const),
      text: fc.constantFrom("Acme Report", "Page 3", "4", "draft"),
      page,
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("code" as const), text: anyText, page }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("list" as const),
      ordered: fc.boolean(),
      items: fc.array(fc.record({ level: fc.integer({ min: 0, max: 3 }), text: anyText }), { maxLength: 4 }),
      page,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("table" as const),
      headerRows: fc.constantFrom(0, 1),
      rows: fc.array(fc.array(fc.record({ text: anyText }), { maxLength: 3 }), { maxLength: 4 }),
      page,
    }),
  },
);

/** Blocks in the order of their pages. */
export const anyBlocks = fc
  .array(anyBlock, { maxLength: 25 })
  .map((blocks) => [...blocks].sort((a, b) => (a.page ?? 0) - (b.page ?? 0)));
