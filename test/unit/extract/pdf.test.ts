import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  DEFAULT_EXTRACT_LIMITS,
  type ExtractInput,
  type ExtractOptions,
} from "../../../src/extract/extractor.ts";
import { getEngine } from "../../../src/extract/formats/pdf/engine.ts";
import { extractor } from "../../../src/extract/formats/pdf.ts";
import type { Block } from "../../../src/extract/model.ts";
import { buildPdf, column, type PdfSpec, type Text } from "../../fixtures/pdf/build.ts";

const FIXTURES = fileURLToPath(new URL("../../fixtures/pdf/", import.meta.url));
const OPTIONS: ExtractOptions = {
  maxPages: 0,
  includeTables: true,
  includeHeadersFooters: false,
  mainContentOnly: false,
  ocr: "never",
  languages: [],
};
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pdf-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function extract(
  bytes: Buffer,
  options: Partial<ExtractOptions> = {},
  rest: Partial<ExtractInput> = {},
) {
  const path = join(folder, "input.pdf");
  await writeFile(path, bytes);
  return extractor.extract({
    path,
    size: bytes.length,
    mediaType: "application/pdf",
    filename: "",
    options: { ...OPTIONS, ...options },
    limits: DEFAULT_EXTRACT_LIMITS,
    signal: new AbortController().signal,
    progress: () => undefined,
    ...rest,
  });
}
const read = async (spec: PdfSpec, options: Partial<ExtractOptions> = {}) => extract(buildPdf(spec), options);
const fixture = (name: string) => readFile(join(FIXTURES, name));
const texts = (blocks: readonly Block[]) =>
  blocks.map((block) => ("text" in block ? block.text : block.type));

const LEFT = [
  "The first column starts here and its lines",
  "fill the width of the column as lines of a",
  "printed article do, so that nobody takes it",
  "for the cell of a table or a label, up to the",
  "last line, where the first column ends.",
];
const RIGHT = [
  "The second column is to be read after the",
  "whole of the first one although each of its",
  "lines stands at the same height as a line of",
  "its neighbour, which is what makes readers",
  "that go by height mix up the two columns.",
];

describe("reading order", () => {
  it("reads the left column before the right one when the lines were written column by column", async () => {
    const { blocks } = await read({
      pages: [{ texts: [...column(LEFT, 72, 600), ...column(RIGHT, 320, 600)] }],
    });
    expect(texts(blocks).join(" ")).toBe([...LEFT, ...RIGHT].join(" "));
  });

  it("reads the left column before the right one when the lines were written across, below a title that spans both", async () => {
    const [left, right] = [column(LEFT, 72, 600), column(RIGHT, 320, 600)];
    const across = left.flatMap((text, i) => [text, right[i] as Text]);
    const title: Text = { x: 72, y: 660, text: "A title that spans the two columns", size: 20, font: "F2" };
    const { blocks } = await read({ pages: [{ texts: [...across, title] }] });
    expect(texts(blocks).join(" ")).toBe([title.text, ...LEFT, ...RIGHT].join(" "));
  });

  it("keeps a hyphen at the end of a line and the end of the line behind it", async () => {
    const { blocks } = await read({
      pages: [{ texts: column(["This line ends within a hyphen-", "ated word and goes on."], 72, 600) }],
    });
    expect(texts(blocks)).toEqual(["This line ends within a hyphen-\nated word and goes on."]);
  });

  it("reads a page whose text runs upwards like any other", async () => {
    const operators = LEFT.map((t, i) => `BT /F1 10 Tf 0 1 -1 0 ${100 + i * 12} 100 Tm (${t}) Tj ET`).join(
      "\n",
    );
    const { blocks } = await read({ pages: [{ operators }] });
    expect(texts(blocks).join(" ")).toBe(LEFT.join(" "));
  });
});

describe("structure", () => {
  it("tells headings by size and weight, and lists by their markers", async () => {
    const { blocks } = await read({
      pages: [
        {
          texts: [
            { x: 72, y: 720, text: "The largest heading", size: 22 },
            ...column(LEFT, 72, 680),
            { x: 72, y: 600, text: "A bold heading", font: "F2" },
            ...column(RIGHT, 72, 570),
            { x: 80, y: 490, text: "\x95 first item" },
            { x: 80, y: 478, text: "\x95 second item" },
            { x: 80, y: 440, text: "1. step one" },
            { x: 80, y: 428, text: "2. step two" },
          ],
        },
      ],
    });
    expect(blocks.map((b) => b.type)).toEqual([
      "heading",
      "paragraph",
      "heading",
      "paragraph",
      "list",
      "list",
    ]);
    expect(blocks[0]).toMatchObject({ level: 1, text: "The largest heading", page: 1 });
    expect(blocks[2]).toMatchObject({ level: 2, text: "A bold heading" });
    expect(blocks[4]).toMatchObject({
      ordered: false,
      items: [{ text: "first item", marker: "•" }, { text: "second item" }],
    });
    expect(blocks[5]).toMatchObject({
      ordered: true,
      items: [{ marker: "1." }, { text: "step two", marker: "2." }],
    });
  });

  it("keeps the lines of text in a fixed-pitch font as code", async () => {
    const code = [
      { x: 72, y: 500, text: "if (a) {", font: "F3" },
      { x: 72, y: 488, text: "return b;", font: "F3" },
    ] as const;
    const { blocks } = await read({ pages: [{ texts: [...column(LEFT, 72, 600), ...code] }] });
    expect(blocks.at(-1)).toEqual({ type: "code", text: "if (a) {\nreturn b;", page: 1 });
  });

  const GRID = [
    ["Name", "Count", "Price"],
    ["Apples", "12", "3.50"],
    ["Pears", "7", "4.25"],
    ["Plums", "30", "1.10"],
  ];
  const cells = GRID.flatMap((row, r) => row.map((text, c) => ({ x: 100 + c * 120, y: 600 - r * 16, text })));
  const rowsOf = (block: Block | undefined) =>
    block?.type === "table" ? block.rows.map((row) => row.map((c) => c.text)) : [];

  it("reads aligned columns of short cells as a table", async () => {
    const { blocks } = await read({ pages: [{ texts: cells }] });
    expect(blocks.map(rowsOf)).toEqual([GRID]);
  });

  it("reads a ruled table with a cell that spans two columns", async () => {
    const lines = [612, 596, 580, 564, 548].map((y) => `90 ${y} m 430 ${y} l S`);
    const columns = [90, 430].map((x) => `${x} 548 m ${x} 612 l S`);
    const inner = [210, 330].map((x) => `${x} 548 m ${x} ${x === 210 ? 596 : 612} l S`);
    const { blocks } = await read({
      pages: [
        {
          texts: cells.filter((c) => c.text !== "Count"),
          operators: [...lines, ...columns, ...inner].join("\n"),
        },
      ],
    });
    expect(blocks).toHaveLength(1);
    const table = blocks[0];
    expect(rowsOf(table)).toEqual([["Name", "Price"], ...GRID.slice(1)]);
    expect(table?.type === "table" && table.rows[0]?.[0]?.columnSpan).toBe(2);
  });

  it("leaves tables out when they are not wanted", async () => {
    const { blocks } = await read(
      { pages: [{ texts: [...cells, ...column(LEFT, 72, 300)] }] },
      { includeTables: false },
    );
    expect(texts(blocks)).toEqual([LEFT.join(" ")]);
  });
});

describe("pages", () => {
  const numbered = (n: number) => ({
    texts: [
      { x: 72, y: 760, text: "Annual Report of the Society" },
      ...column(
        LEFT.map((line) => `${n} ${line}`),
        72,
        600,
      ),
      { x: 300, y: 30, text: String(n + 4) },
    ],
  });

  it("drops headers and growing page numbers that repeat on three pages, and keeps them when wanted", async () => {
    const spec = { pages: [1, 2, 3].map(numbered) };
    const without = texts((await read(spec)).blocks);
    expect(without.join("\n")).not.toContain("Annual Report");
    expect(without).toHaveLength(5);
    const kept = texts((await read(spec, { includeHeadersFooters: true })).blocks);
    expect(kept.filter((text) => text === "Annual Report of the Society")).toHaveLength(3);
    expect(kept).toContain("7");
  });

  it("keeps what repeats on two pages only", async () => {
    const { blocks } = await read({ pages: [1, 2].map(numbered) });
    expect(texts(blocks).filter((text) => text === "Annual Report of the Society")).toHaveLength(2);
  });

  it("parts pages, counts them, and tells which page is an image without text", async () => {
    const { blocks, pages, warnings, properties } = await read({
      pages: [{ texts: column(LEFT, 72, 600) }, { image: true }],
    });
    expect(blocks.map((b) => b.type)).toEqual(["paragraph", "page_break"]);
    expect(pages).toMatchObject([
      { page: 1, images: 0 },
      { page: 2, characters: 0, images: 1 },
    ]);
    expect(properties.pageCount).toBe(2);
    expect(warnings).toEqual([
      { code: "PAGE_WITHOUT_TEXT", message: "Page 2 is an image; its text was not read.", page: 2 },
    ]);
  });

  it("does not draw a page whose picture has more pixels than are read by OCR, and says so", async () => {
    const jpeg = await readFile(join(FIXTURES, "../images/progressive.jpg"));
    const bytes = buildPdf({ pages: [{ scan: { jpeg, width: 760, height: 130 } }] });
    const limits = { ...DEFAULT_EXTRACT_LIMITS, maxImagePixels: 50_000 };
    const { pages, warnings } = await extract(bytes, { ocr: "auto" }, { limits });
    expect(pages).toEqual([{ page: 1, characters: 0, images: 1 }]);
    expect(warnings).toEqual([
      {
        code: "PART_SKIPPED",
        message: "Page 1 shows a picture of 98800 pixels; at most 50000 are read.",
        page: 1,
      },
    ]);
  });

  it("stops after the pages asked for and says so; each page is named before it is worked on", async () => {
    const seen: unknown[][] = [];
    const bytes = buildPdf({ pages: [1, 2, 3].map(numbered) });
    const { pages, warnings } = await extract(
      bytes,
      { maxPages: 2 },
      { progress: (...told) => void seen.push(told) },
    );
    expect(pages).toHaveLength(2);
    expect(warnings).toMatchObject([{ code: "PAGE_LIMIT_REACHED" }]);
    expect(seen).toEqual([
      [0, 4, "page 1 of 3"],
      [1, 4, "page 2 of 3"],
      [2, 4, "page 1 of 3"],
      [3, 4, "page 2 of 3"],
    ]);
  });

  it("stops reading at the limit of output characters and says on which page", async () => {
    const limits = { ...DEFAULT_EXTRACT_LIMITS, maxOutputCharacters: 100 };
    const { pages, warnings } = await extract(buildPdf({ pages: [1, 2, 3].map(numbered) }), {}, { limits });
    expect(pages).toHaveLength(1);
    expect(warnings).toMatchObject([{ code: "OUTPUT_LIMIT_REACHED", page: 1 }]);
  });

  it("ends at once when the signal is aborted", async () => {
    const signal = AbortSignal.abort(new Error("cancelled"));
    await expect(extract(buildPdf({ pages: [numbered(1)] }), {}, { signal })).rejects.toThrow("cancelled");
  });
});

it("reads title, authors, dates as ISO 8601, producer and links", async () => {
  const { properties } = await read({
    pages: [{ texts: column(LEFT, 72, 600), link: "https://example.org/a" }],
    info: {
      Title: "On Columns",
      Author: "Ada; Grace",
      CreationDate: "D:20240229120000+02'00'",
      Producer: "by hand",
    },
  });
  expect(properties).toMatchObject({
    title: "On Columns",
    authors: ["Ada", "Grace"],
    created: "2024-02-29T10:00:00Z",
    links: ["https://example.org/a"],
    extra: { producer: "by hand" },
  });
});

it("puts the letters of a lam-alef glyph in order and leaves the article alone", async () => {
  // Drawn from left to right: meem, glyph of lam and alef, space, meem, seen, lam, alef.
  const unicode = { 1: "\u0645", 2: "\u0644\u0627", 3: " ", 4: "\u0633", 5: "\u0644", 6: "\u0627" };
  const { blocks } = await read({
    unicode,
    pages: [{ texts: [{ x: 300, y: 600, text: "\x01\x02\x04\x03\x01\x04\x05\x06", font: "F4" }] }],
  });
  expect(texts(blocks)).toEqual(["\u0627\u0644\u0633\u0645 \u0633\u0644\u0627\u0645"]);
});

describe("documents at fault", () => {
  it("asks for the password of an encrypted document, refuses a wrong one, and opens with the right one", async () => {
    const bytes = await fixture("encrypted.pdf");
    await expect(extract(bytes)).rejects.toMatchObject({
      reason: "DOCUMENT_ENCRYPTED",
      message: expect.stringContaining("needs a password"),
    });
    await expect(extract(bytes, { password: "wrong" })).rejects.toMatchObject({
      reason: "DOCUMENT_ENCRYPTED",
      message: expect.stringContaining("does not open"),
    });
    expect(texts((await extract(bytes, { password: "opensesame" })).blocks)).toEqual(["The secret is out."]);
  });

  it("opens a document that only an owner password protects", async () => {
    expect(texts((await extract(await fixture("owner-only.pdf"))).blocks)).toEqual(["The secret is out."]);
  });

  it.each([
    ["cut in half", (b: Buffer) => b.subarray(0, 200)],
    [
      "random bytes behind a PDF header",
      (b: Buffer) => Buffer.concat([b.subarray(0, 9), Buffer.alloc(2000, 0x5a)]),
    ],
    ["no PDF at all", () => Buffer.from("PK\x03\x04 not a pdf")],
  ])("refuses a file that is damaged: %s", async (_, damage) => {
    const bytes = buildPdf({ pages: [{ texts: column(LEFT, 72, 600) }] });
    await expect(extract(damage(bytes))).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
  });

  it("refuses a document without pages, and an empty file", async () => {
    await expect(read({ pages: [] })).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
    await expect(extract(Buffer.alloc(0))).rejects.toMatchObject({ reason: "DOCUMENT_EMPTY" });
  });

  it("gives up on a document that inflates without bound, and reads the next one", async () => {
    const engine = await getEngine();
    await expect(extract(await fixture("inflating.pdf"))).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
    expect(await getEngine()).not.toBe(engine);
    expect(texts((await read({ pages: [{ texts: column(LEFT, 72, 600) }] })).blocks)).toEqual([
      LEFT.join(" "),
    ]);
  });
});

describe("the same process", () => {
  const spec = {
    pages: [
      {
        texts: [...column(LEFT, 72, 600), ...column(RIGHT, 320, 600)],
        image: true,
        link: "https://example.org",
      },
    ],
  };

  it("gives the same result for the same bytes", async () => {
    expect(await read(spec)).toEqual(await read(spec));
  });

  it("reads several documents asked for at once, each its own", async () => {
    const path = (i: number) => join(folder, `at-once-${i}.pdf`);
    const one = async (i: number) => {
      const bytes = buildPdf({ pages: [{ texts: [{ x: 72, y: 600, text: `Document ${i}` }] }] });
      await writeFile(path(i), bytes);
      return extract(bytes, {}, { path: path(i) });
    };
    const results = await Promise.all([0, 1, 2, 3].map(one));
    expect(results.map((r) => texts(r.blocks))).toEqual([0, 1, 2, 3].map((i) => [`Document ${i}`]));
  });

  it("holds no more memory after 500 extractions than after 100", async () => {
    const lines = Array.from({ length: 55 }, (_, i) => LEFT[i % LEFT.length] as string);
    const page = { ...spec.pages[0], texts: column(lines, 72, 740) };
    const bytes = buildPdf({ pages: [page, page, page] });
    for (let i = 0; i < 100; i += 1) await extract(bytes);
    const engine = await getEngine();
    const before = engine.heapBytes();
    for (let i = 0; i < 400; i += 1) await extract(bytes);
    expect(await getEngine()).toBe(engine);
    expect(engine.heapBytes()).toBe(before);
  }, 60_000);
});
