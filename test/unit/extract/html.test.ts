import { expect, test } from "vitest";
import { renderMarkdown } from "../../../src/extract/render.ts";
import { readContent } from "./read-content.ts";

const blocksOf = async (html: string, options = {}) =>
  (await readContent(html, { mediaType: "text/html", options })).blocks;

test("headings, paragraphs and inline markup keep text plain and Markdown beside it", async () => {
  expect(
    await blocksOf(
      "<h2>Title</h2><p>One <b>bold</b>, <a href='https://a.b'>a link</a> and x<sup>2</sup>.</p>Loose",
    ),
  ).toEqual([
    { type: "heading", level: 2, text: "Title" },
    {
      type: "paragraph",
      text: "One bold, a link and x2.",
      markdown: "One **bold**, [a link](https://a.b) and x<sup>2</sup>.",
    },
    { type: "paragraph", text: "Loose" },
  ]);
});

test("nested lists keep level, numbers, start and checks", async () => {
  const html = "<ol start=4><li>four<ul><li>sub<li><input type=checkbox checked>done</ul><li>five</ol>";
  expect(await blocksOf(html)).toEqual([
    {
      type: "list",
      ordered: true,
      items: [
        { level: 0, text: "four", marker: "4." },
        { level: 1, text: "sub", marker: "-" },
        { level: 1, text: "done", marker: "- [x]" },
        { level: 0, text: "five", marker: "5." },
      ],
    },
  ]);
});

test("a definition list is a list of bold terms with their definitions below", async () => {
  const [list] = await blocksOf("<dl><dt>T<dd>one<dd>two</dl>");
  expect(list).toMatchObject({
    items: [
      { level: 0, text: "T", markdown: "**T**" },
      { level: 1, text: "one" },
      { level: 1, text: "two" },
    ],
  });
});

test("tables keep header, caption, spans and what is in their cells", async () => {
  const html = `<table><caption>Cap</caption><tr><th colspan=2>H<tr><td rowspan=0>a<td><ul><li>x<li>y</ul>
    <tr><td><table><tr><td>in<td>ner</table></table>`;
  expect(await blocksOf(html)).toEqual([
    {
      type: "table",
      caption: "Cap",
      headerRows: 1,
      rows: [
        [{ text: "H", columnSpan: 2 }],
        [{ text: "a", rowSpan: 2 }, { text: "- x\n- y" }],
        [{ text: "in ner" }],
      ],
    },
  ]);
});

test("a table for layout is read as the text it arranges", async () => {
  const html = "<table><tr><td><p>left</p></td><td><table><tr><td>a<td>b</table></td></tr></table>";
  expect((await blocksOf(html)).map((block) => block.type)).toEqual(["paragraph", "table"]);
});

test("tables are left out when the options say so", async () => {
  expect(await blocksOf("<p>x</p><table><tr><td>a<td>b</table>", { includeTables: false })).toEqual([
    { type: "paragraph", text: "x" },
  ]);
});

test("code keeps its lines and language, quotes and formulas their kind", async () => {
  const html = `<pre><code class="language-js">let a;\n  b();</code></pre><blockquote><p>said</p></blockquote>
    <math display="block"><semantics><mi>x</mi><annotation encoding="application/x-tex">x^2</annotation></semantics></math>`;
  expect(await blocksOf(html)).toEqual([
    { type: "code", text: "let a;\n  b();", language: "js" },
    { type: "quote", text: "said" },
    { type: "formula", text: "x^2" },
  ]);
});

test("what no reader sees is not read", async () => {
  const html =
    "<head><title>T</title></head><script>bad()</script><style>b{}</style><p hidden>no</p><p style='display: none'>no</p><noscript>no</noscript><p>yes</p>";
  const document = await readContent(html, { mediaType: "text/html" });
  expect(document.blocks).toEqual([{ type: "paragraph", text: "yes" }]);
  expect(document.properties.title).toBe("T");
});

test("only the main content is read when asked for", async () => {
  const words = "The quick brown fox jumps over the lazy dog, and it does so again and again. ".repeat(20);
  const html = `<html><body><nav><a href="/x">Menu entry</a></nav><article><h1>Story</h1><p>${words}</p><p>${words}</p></article><footer>Imprint</footer></body></html>`;
  const markdown = renderMarkdown(await blocksOf(html, { mainContentOnly: true }));
  expect(markdown).toContain("quick brown fox");
  expect(markdown).not.toContain("Menu entry");
});

test("an image alone is a block with its description, and data addresses are dropped", async () => {
  expect(
    await blocksOf(
      '<p><img alt="A cat" src="cat.png"></p><p><img alt="dot" src="data:image/png;base64,AAAA"></p>',
    ),
  ).toEqual([
    { type: "image", alt: "A cat", target: "cat.png" },
    { type: "image", alt: "dot" },
  ]);
});

test("100,000 nested elements are refused at once and do not exhaust the stack", async () => {
  for (const tag of ["div", "b", "ul><li", "blockquote", "table><tr><td", "font a=1", "a", "p"]) {
    const started = performance.now();
    await readContent(`<${tag}>`.repeat(100_000), { mediaType: "text/html" }).then(
      // Some elements close each other and never nest.
      () => undefined,
      (error) => expect(error).toMatchObject({ reason: "LIMIT_EXCEEDED" }),
    );
    expect(performance.now() - started).toBeLessThan(5000);
  }
}, 40_000);

test("depth and output stay within their limits", async () => {
  const depth = readContent("<div>".repeat(30), { mediaType: "text/html", limits: { maxDepth: 20 } });
  await expect(depth).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
  const output = readContent(`<p>${"words ".repeat(1000)}`, {
    mediaType: "text/html",
    limits: { maxOutputCharacters: 100 },
  });
  await expect(output).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
  const input = readContent("<p>words", { mediaType: "text/html", limits: { maxInputBytes: 4 } });
  await expect(input).rejects.toMatchObject({ reason: "DOCUMENT_TOO_LARGE" });
});
