import iconv from "iconv-lite";
import { describe, expect, test } from "vitest";
import { renderText } from "../../../src/extract/render.ts";
import { readContent } from "./read-content.ts";

describe("plain text", () => {
  const blocksOf = async (text: string) => (await readContent(text, { filename: "x.txt" })).blocks;

  test("lines wrapped at a width are one paragraph again, verse stays in lines", async () => {
    const wrapped =
      "All human beings are born free and equal in dignity and rights. They are\nendowed with reason and conscience and should act towards one another in a\nspirit of brotherhood.";
    const verse = "Roses are red,\nviolets are blue,\nsugar is sweet.";
    expect(await blocksOf(`${wrapped}\n\n${verse}\n`)).toEqual([
      { type: "paragraph", text: wrapped.replaceAll("\n", " ") },
      { type: "paragraph", text: verse },
    ]);
  });

  test("items are a list with their markers and levels", async () => {
    expect(await blocksOf("Points:\n\n- a\n  - b\n- c\n\n1. one\n2. two")).toEqual([
      { type: "paragraph", text: "Points:" },
      {
        type: "list",
        ordered: false,
        items: [
          { level: 0, text: "a", marker: "-" },
          { level: 1, text: "b", marker: "-" },
          { level: 0, text: "c", marker: "-" },
        ],
      },
      {
        type: "list",
        ordered: true,
        items: [
          { level: 0, text: "one", marker: "1." },
          { level: 0, text: "two", marker: "2." },
        ],
      },
    ]);
  });

  test("columns of blanks are kept as they stand", async () => {
    const table = "name     size    date\nalpha    1       2024\nbeta     22      2025";
    expect(await blocksOf(table)).toEqual([{ type: "code", text: table }]);
  });

  test("any encoding reads the same", async () => {
    for (const encoding of ["utf-8", "utf-16le", "utf-32be", "windows-1252"]) {
      const { blocks } = await readContent(iconv.encode("Größe und Länge, naïve Café", encoding), {
        filename: "x.txt",
      });
      expect(renderText(blocks).text).toBe("Größe und Länge, naïve Café");
    }
  });
});

describe("subtitles", () => {
  test("cues become paragraphs without times, speakers and styling", async () => {
    const vtt =
      "WEBVTT\n\nNOTE hidden\n\nid-1\n00:00:01.000 --> 00:00:02.000 line:0\n<v Ann>Hi <i>you</i>\nthere</v>\n";
    expect((await readContent(vtt)).blocks).toEqual([{ type: "paragraph", text: "Hi you\nthere" }]);
    const srt = "1\n00:00:01,000 --> 00:00:02,000\n<i>Hi</i>\n\n2\n00:00:03,000 --> 00:00:04,000\nBye\n";
    expect((await readContent(srt)).blocks).toMatchObject([{ text: "Hi" }, { text: "Bye" }]);
  });
});

describe("CSV", () => {
  const rowsOf = async (text: string, filename = "x.csv") => {
    const [table] = (await readContent(text, { filename })).blocks;
    if (table?.type !== "table") throw new Error("no table");
    return table.rows.map((row) => row.map((cell) => cell.text));
  };

  test.each([",", ";", "\t", "|"])("the delimiter %j is found", async (delimiter) => {
    const text = [
      ["a", "b b", "c"],
      ["1", "2", "3"],
      ["4", "5", "6"],
    ]
      .map((row) => row.join(delimiter))
      .join("\n");
    expect(await rowsOf(text)).toEqual([
      ["a", "b b", "c"],
      ["1", "2", "3"],
      ["4", "5", "6"],
    ]);
  });

  test("quotes may hold delimiters and line ends, and uneven rows are kept", async () => {
    expect(await rowsOf('a,b\n"1,5","two\nlines",extra\nlast\n')).toEqual([
      ["a", "b"],
      ["1,5", "two\nlines", "extra"],
      ["last"],
    ]);
    expect((await readContent("a,b\n1,2,3\n", { filename: "x.csv" })).warnings).toMatchObject([
      { code: "UNEVEN_ROWS" },
    ]);
  });

  test("a row that never ends is refused within bounds", async () => {
    const open = readContent(`a,b\n"${"x,".repeat(3_000_000)}`, { filename: "x.csv" });
    await expect(open).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
    const wide = readContent(",".repeat(5_000_000), { filename: "x.csv" });
    await expect(wide).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
  }, 30_000);
});

describe("JSON", () => {
  test("members are items by level, flat objects a table", async () => {
    const json = { name: "x", tags: ["a", "b"], inner: { deep: true }, rows: [{ k: 1, v: null }, { k: 2 }] };
    const { blocks } = await readContent(JSON.stringify(json));
    expect(renderText(blocks).text).toBe(
      "- name: x\n- tags: a, b\n- inner:\n  - deep: true\n- rows:\n\nk\tv\n1\tnull\n2",
    );
  });

  test("each line of NDJSON is a row, and odd keys do no harm", async () => {
    const { blocks } = await readContent('{"__proto__":1,"b":2}\n{"__proto__":3,"b":4}\n');
    expect(blocks).toMatchObject([
      {
        type: "table",
        rows: [
          [{ text: "__proto__" }, { text: "b" }],
          [{ text: "1" }, { text: "2" }],
          [{ text: "3" }, { text: "4" }],
        ],
      },
    ]);
  });

  test("nesting without end is refused, invalid JSON is corrupt", async () => {
    const deep = readContent("[".repeat(500_000) + "]".repeat(500_000), { mediaType: "application/json" });
    await expect(deep).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
    await expect(readContent('{"a":', { mediaType: "application/json" })).rejects.toMatchObject({
      reason: "DOCUMENT_CORRUPT",
    });
  });
});

describe("Markdown", () => {
  const blocksOf = async (text: string) => (await readContent(text, { filename: "x.md" })).blocks;

  test("structure becomes blocks, with formulas, tables and tasks", async () => {
    const text =
      "# A *b*\n\n> said\n\n1. one\n   - [x] sub\n\n| h |\n|---|\n| `c` |\n\n```js\nx\n```\n\n$$\ny\n$$\n\n![alt](i.png)\n";
    expect(await blocksOf(text)).toEqual([
      { type: "heading", level: 1, text: "A b", markdown: "A *b*" },
      { type: "quote", text: "said" },
      {
        type: "list",
        ordered: true,
        items: [
          { level: 0, text: "one", marker: "1." },
          { level: 1, text: "sub", marker: "- [x]" },
        ],
      },
      { type: "table", rows: [[{ text: "h" }], [{ text: "c", markdown: "`c`" }]], headerRows: 1 },
      { type: "code", text: "x", language: "js" },
      { type: "formula", text: "y" },
      { type: "image", alt: "alt", target: "i.png" },
    ]);
  });

  test("front matter is properties, raw HTML is read as HTML", async () => {
    const text =
      '---\ntitle: "The T"\ntags: [a, b]\nauthors:\n  - Ann\n---\n\n<table><tr><td>x<td>y</table>\n\n[r]\n\n[r]: https://a.b\n';
    const document = await readContent(text, { filename: "x.md" });
    expect(document.properties).toMatchObject({
      title: "The T",
      keywords: ["a", "b"],
      authors: ["Ann"],
      links: ["https://a.b"],
    });
    expect(document.blocks).toMatchObject([
      { type: "table" },
      { type: "paragraph", text: "r", markdown: "[r](https://a.b)" },
    ]);
  });

  test("nesting without end is refused", async () => {
    for (const text of [">".repeat(50_000), "- ".repeat(50_000), "[".repeat(50_000), "> - ".repeat(20_000)]) {
      await expect(readContent(text, { filename: "x.md" })).rejects.toMatchObject({
        reason: "LIMIT_EXCEEDED",
      });
    }
  });
});
