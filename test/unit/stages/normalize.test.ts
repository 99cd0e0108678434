import fc from "fast-check";
import { expect, test } from "vitest";
import type { Block } from "../../../src/extract/model.ts";
import { normalizeStage } from "../../../src/stages/normalize.ts";
import { after, anyBlocks, documentOf } from "./support.ts";

const clean = async (text: string, raw: unknown = {}) => {
  const { blocks } = await after(normalizeStage, documentOf([{ type: "paragraph", text }]), raw);
  const [block] = blocks!;
  return block === undefined || !("text" in block) ? null : block.text;
};

test("normalizing twice is normalizing once, whatever the options", async () => {
  const options = fc.record({
    unicode: fc.boolean(),
    ligatures: fc.boolean(),
    hyphenation: fc.boolean(),
    headers_footers: fc.boolean(),
    whitespace: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(anyBlocks, options, async (blocks, raw) => {
      const once = await after(normalizeStage, documentOf(blocks), raw);
      const twice = await after(normalizeStage, once, raw);
      expect(twice.blocks).toEqual(once.blocks);
    }),
    { numRuns: 600 },
  );
});

test.each([
  ["Unicode is composed and line ends are one kind", "Cafe\u0301\r\nbar\u2028baz", "Café\nbar\nbaz"],
  ["ligatures become letters", "ﬁnd the oﬃce ﻻ", "find the office لا"],
  [
    "words divided across lines are joined",
    "the docu-\nment and ex\u00AD\nample",
    "the document and example",
  ],
  ["a capital after the line's end keeps its hyphen", "Rhein-\nMain", "Rhein-Main"],
  ["half a word before a conjunction is no divided word", "pre-\nand post-war", "pre- and post-war"],
  [
    "a compound the document writes elsewhere keeps its hyphen",
    "well-known, well-\nknown",
    "well-known, well-known",
  ],
  ["numbers are not joined", "1990-\n2000 and x-\n1", "1990-\n2000 and x-\n1"],
  ["blanks and empty lines are made one", "  a \t b\u00A0c \n\n\n\n d ", "a b c\n\nd"],
  [
    "control characters go, joiners of scripts stay",
    "a\u0000b\u200Bc \u0646\u200C\u0627",
    "abc \u0646\u200C\u0627",
  ],
])("%s", async (_name, before, expected) => {
  expect(await clean(before)).toBe(expected);
});

test("each part can be left out", async () => {
  expect(await clean("ﬁ a  b", { ligatures: false })).toBe("ﬁ a b");
  expect(await clean("a  b", { whitespace: false })).toBe("a  b");
  expect(await clean("docu-\nment", { hyphenation: false })).toBe("docu-\nment");
  expect(await clean("e\u0301", { unicode: false })).toBe("e\u0301");
});

const paragraph = (text: string, page: number): Block => ({ type: "paragraph", text, page });

function book(pages: number): Block[] {
  return Array.from({ length: pages }, (_, i) => [
    paragraph("Annual Report 2026", i + 1),
    paragraph(i % 2 === 0 ? "Acme" : "Confidential", i + 1),
    paragraph(`What page ${"abcdefghijkl"[i]} says, and nobody else.`, i + 1),
    paragraph(`Page ${i + 1} of ${pages}`, i + 1),
  ]).flat();
}

test("page numbers go, running titles stay once, the text stays", async () => {
  const { blocks } = await after(normalizeStage, documentOf(book(10)));
  const texts = blocks!.map((block) => ("text" in block ? block.text : ""));
  expect(texts.filter((text) => text.startsWith("Page "))).toEqual([]);
  expect(texts.filter((text) => text === "Annual Report 2026")).toHaveLength(1);
  expect(texts.filter((text) => text.startsWith("What page"))).toHaveLength(10);
});

test("chapter headings at the top of their pages stay, since their numbers do not grow with the pages", async () => {
  const blocks = [1, 2, 4, 7, 9, 12].flatMap((page, i) => [
    paragraph(`Chapter ${i + 1}`, page),
    paragraph(`What chapter ${"abcdef"[i]} says.`, page),
  ]);
  expect((await after(normalizeStage, documentOf(blocks))).blocks).toHaveLength(blocks.length);
});

test("nothing counts as repeated on two pages, in slides, or when it is switched off", async () => {
  for (const [document, raw] of [
    [documentOf(book(2)), {}],
    [
      documentOf(book(5), {
        mediaType: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
      }),
      {},
    ],
    [documentOf(book(5)), { headers_footers: false }],
  ] as const) {
    expect((await after(normalizeStage, document, raw)).blocks).toHaveLength(document.blocks!.length);
  }
});

test("code keeps its blanks and hyphens; tables and lists are cleaned cell by cell", async () => {
  const { blocks } = await after(
    normalizeStage,
    documentOf([
      { type: "code", text: "if x:\n    y  = a-\nb" },
      { type: "table", headerRows: 1, rows: [[{ text: " ﬁrst \n col " }], [{ text: "1" }]] },
      {
        type: "list",
        ordered: false,
        items: [
          { level: 0, text: " a " },
          { level: 0, text: " \n" },
        ],
      },
      { type: "paragraph", text: " \n " },
    ]),
  );
  expect(blocks).toEqual([
    { type: "code", text: "if x:\n    y  = a-\nb" },
    { type: "table", headerRows: 1, rows: [[{ text: "first\ncol" }], [{ text: "1" }]] },
    { type: "list", ordered: false, items: [{ level: 0, text: "a" }] },
  ]);
});
