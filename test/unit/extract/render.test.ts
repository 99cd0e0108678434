import fc from "fast-check";
import type { Nodes, Root } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";
import { describe, expect, test } from "vitest";
import type { Block, TableCell } from "../../../src/extract/model.ts";
import { renderMarkdown, renderText } from "../../../src/extract/render.ts";

const parse = (markdown: string): Root =>
  fromMarkdown(markdown, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] });
const textOf = (node: Nodes): string =>
  node.type === "break"
    ? "\n"
    : "value" in node
      ? node.value
      : "children" in node
        ? node.children.map(textOf).join("")
        : "";

const nasty = fc.stringMatching(/^[-#>*_`~|\\[\]()<>&;:!$=+.\da-c \n\t]{0,24}$/);
const cell: fc.Arbitrary<TableCell> = fc.record(
  { text: nasty, columnSpan: fc.integer({ min: 1, max: 4 }), rowSpan: fc.integer({ min: 1, max: 4 }) },
  { requiredKeys: ["text"] },
);
const block: fc.Arbitrary<Block> = fc.oneof(
  fc.record({ type: fc.constant("heading" as const), level: fc.integer({ min: -1, max: 9 }), text: nasty }),
  fc.record({
    type: fc.constantFrom("paragraph" as const, "quote" as const, "code" as const, "formula" as const),
    text: nasty,
  }),
  fc.record({
    type: fc.constant("list" as const),
    ordered: fc.boolean(),
    items: fc.array(
      fc.record({
        level: fc.integer({ min: 0, max: 5 }),
        text: nasty,
        marker: fc.constantFrom("-", "•", "3.", "b)"),
      }),
    ),
  }),
  fc.record({
    type: fc.constant("table" as const),
    rows: fc.array(fc.array(cell, { maxLength: 5 }), { maxLength: 5 }),
    headerRows: fc.integer({ min: 0, max: 2 }),
  }),
  fc.record({ type: fc.constant("image" as const), alt: nasty, target: nasty }),
  fc.record({ type: fc.constant("page_break" as const), page: fc.integer({ min: 1, max: 9 }) }),
);

describe("renderText", () => {
  test("every span slices back the text of its block, in order and without overlap", () => {
    fc.assert(
      fc.property(fc.array(block), (blocks) => {
        const { text, spans } = renderText(blocks);
        expect(spans.map((span) => span.block)).toEqual(blocks.map((_, index) => index));
        let end = 0;
        for (const span of spans) {
          expect(span.start).toBeGreaterThanOrEqual(end);
          end = span.end;
          const each = blocks[span.block]!;
          expect(text.slice(span.start, span.end)).toBe(renderText([each]).text);
        }
      }),
    );
  });

  test("a table is one line a row with tabs, and spanned cells are repeated", () => {
    const rows = [
      [
        { text: "a", columnSpan: 2 },
        { text: "b", rowSpan: 2 },
      ],
      [{ text: "c" }, { text: "d" }],
    ];
    expect(renderText([{ type: "table", rows, headerRows: 1 }]).text).toBe("a\ta\tb\nc\td\tb");
  });

  test("lists keep their markers and number what has none", () => {
    const items = [
      { level: 0, text: "one" },
      { level: 1, text: "sub" },
      { level: 0, text: "two" },
      { level: 0, text: "seven", marker: "7." },
      { level: 0, text: "eight" },
    ];
    expect(renderText([{ type: "list", ordered: true, items }]).text).toBe(
      "1. one\n  1. sub\n2. two\n7. seven\n8. eight",
    );
  });
});

describe("renderMarkdown", () => {
  test("text of a paragraph never becomes structure", () => {
    fc.assert(
      fc.property(nasty, (text) => {
        const tree = parse(renderMarkdown([{ type: "paragraph", text }]));
        expect(tree.children.map((node) => node.type)).toEqual(text.trim() === "" ? [] : ["paragraph"]);
        const lines = text.split("\n").map((line) => line.trim());
        expect(textOf(tree)).toBe(lines.filter((line) => line !== "").join("\n"));
      }),
      { numRuns: 2000 },
    );
  });

  test("a table reads back with the same rows, columns and cells, whatever the cells hold", () => {
    const plain = fc.array(fc.array(nasty, { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(plain, (texts) => {
        const rows = texts.map((row) => row.map((text) => ({ text })));
        const tree = parse(renderMarkdown([{ type: "table", rows, headerRows: 1 }]));
        expect(tree.children.map((node) => node.type)).toEqual(["table"]);
        const table = tree.children[0];
        if (table?.type !== "table") throw new Error("no table");
        const got = table.children.map((row) => row.children.map((each) => textOf(each)));
        const lined = (text: string) => text.trim().replace(/[ \t]*\n\s*/g, "<br>");
        expect(got).toEqual(texts.map((row) => row.map(lined)));
      }),
      { numRuns: 1000 },
    );
  });

  test("code keeps its text whatever fences it holds", () => {
    fc.assert(
      fc.property(nasty, (text) => {
        const tree = parse(renderMarkdown([{ type: "code", text, language: "js`\n# x" }]));
        expect(tree.children).toHaveLength(text.trim() === "" ? 0 : 1);
        if (text.trim() === "") return;
        const code = tree.children[0];
        expect(code?.type === "code" && code.value).toBe(text.replace(/\n+$/, ""));
      }),
    );
  });

  test("headings and list items stay one block each", () => {
    fc.assert(
      fc.property(nasty, nasty, (title, item) => {
        fc.pre(title.trim() !== "" && item.trim() !== "");
        const items = [
          { level: 0, text: item },
          { level: 1, text: item },
          { level: 0, text: item },
        ];
        const tree = parse(
          renderMarkdown([
            { type: "heading", level: 2, text: title },
            { type: "list", ordered: true, items },
          ]),
        );
        expect(tree.children.map((node) => node.type)).toEqual(["heading", "list"]);
        const list = tree.children[1];
        if (list?.type !== "list") throw new Error("no list");
        expect(list.children.map((each) => each.children.map((node) => node.type))).toEqual([
          ["paragraph", "list"],
          ["paragraph"],
        ]);
      }),
      { numRuns: 1000 },
    );
  });

  test("structure is written as GitHub-flavoured Markdown", () => {
    const blocks: Block[] = [
      { type: "heading", level: 2, text: "A #1 *title* #" },
      { type: "paragraph", text: "# not a heading\n1. not a list", page: 1 },
      { type: "page_break", page: 1 },
      { type: "quote", text: "said\nhe" },
      {
        type: "list",
        ordered: false,
        items: [
          { level: 0, text: "x", marker: "•" },
          { level: 1, text: "y", marker: "b)" },
        ],
      },
      { type: "list", ordered: true, items: [{ level: 0, text: "z" }] },
      {
        type: "table",
        rows: [[{ text: "h|1" }], [{ text: "two\nlines" }, { text: "wide" }]],
        headerRows: 1,
        caption: "Cap",
      },
      { type: "formula", text: "a^2" },
      { type: "image", alt: "a ] b", target: "x (1).png" },
    ];
    expect(renderMarkdown(blocks)).toBe(
      [
        "## A #1 \\*title\\* \\#",
        "\\# not a heading  \n1\\. not a list",
        "> said  \n> he",
        "- x\n  - b) y",
        "<!-- -->",
        "1. z",
        "Cap",
        "| h\\|1 |  |\n| --- | --- |\n| two<br>lines | wide |",
        "$$\na^2\n$$",
        "![a \\] b](x%20%281%29.png)\n",
      ].join("\n\n"),
    );
  });

  test("spans that ask for billions of cells are bounded", () => {
    const wide = Array.from({ length: 1000 }, () => ({
      text: "x".repeat(1000),
      columnSpan: 1000,
      rowSpan: 65_534,
    }));
    const rows = [wide, ...Array.from({ length: 50_000 }, () => [])];
    const table: Block = { type: "table", rows, headerRows: 0 };
    expect(renderText([table]).text.length).toBeLessThan(40_000_000);
    expect(renderMarkdown([table]).length).toBeLessThan(40_000_000);
  });

  test("long runs of one sign take no longer than their length asks for", () => {
    const started = performance.now();
    for (const sign of ["\\", " ", "\n", "#", "`", "*", "|", "$", "~", "<", "&", "[", " \n"]) {
      const text = `x${sign.repeat(200_000)}x`;
      const rows = [[{ text }, { text, markdown: text }]];
      renderMarkdown([
        { type: "heading", level: 1, text },
        { type: "paragraph", text },
        { type: "code", text },
        { type: "table", rows, headerRows: 1 },
        { type: "image", alt: text, target: text },
      ]);
    }
    expect(performance.now() - started).toBeLessThan(10_000);
  }, 30_000);
});
