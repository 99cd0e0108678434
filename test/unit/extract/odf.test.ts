import { describe, expect, test } from "vitest";
import { renderMarkdown, renderText } from "../../../src/extract/render.ts";
import { type ReadHow, readContent } from "./read-content.ts";
import { zipOf } from "./zip-fixtures.ts";

const ODF = "urn:oasis:names:tc:opendocument:xmlns";
const XMLNS = [
  ...["office", "text", "table", "style", "meta", "presentation", "manifest"].map(
    (name) => `xmlns:${name}="${ODF}:${name}:1.0"`,
  ),
  `xmlns:draw="${ODF}:drawing:1.0"`,
  `xmlns:svg="${ODF}:svg-compatible:1.0"`,
  `xmlns:fo="${ODF}:xsl-fo-compatible:1.0"`,
  'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dc="http://purl.org/dc/elements/1.1/"',
].join(" ");

interface OdfParts {
  kind?: "text" | "spreadsheet" | "presentation";
  body: string;
  automatic?: string;
  styles?: string;
  meta?: string;
  manifest?: string;
  more?: Record<string, string>;
}

function odf({ kind = "text", body, automatic = "", styles = "", meta = "", manifest = "", more }: OdfParts) {
  const part = (root: string, content: string) => `<office:${root} ${XMLNS}>${content}</office:${root}>`;
  return zipOf([
    { name: "mimetype", data: `application/vnd.oasis.opendocument.${kind}` },
    {
      name: "content.xml",
      data: part(
        "document-content",
        `<office:automatic-styles>${automatic}</office:automatic-styles><office:body><office:${kind}>${body}</office:${kind}></office:body>`,
      ),
    },
    { name: "styles.xml", data: part("document-styles", styles) },
    { name: "meta.xml", data: part("document-meta", `<office:meta>${meta}</office:meta>`) },
    {
      name: "META-INF/manifest.xml",
      data: `<manifest:manifest ${XMLNS}>${manifest}</manifest:manifest>`,
    },
    ...Object.entries(more ?? {}).map(([name, data]) => ({ name, data })),
  ]);
}

const read = (parts: OdfParts, how: ReadHow = {}) => readContent(odf(parts), how);
const text = async (parts: OdfParts) => renderText((await read(parts)).blocks).text;
const p = (content: string) => `<text:p>${content}</text:p>`;
const cell = (content: string, attributes = "") =>
  `<table:table-cell ${attributes}>${content === "" ? "" : p(content)}</table:table-cell>`;
const row = (cells: string, attributes = "") => `<table:table-row ${attributes}>${cells}</table:table-row>`;

describe("ODT", () => {
  const automatic = `
    <style:style style:name="T1" style:family="text"><style:text-properties fo:font-weight="bold"/></style:style>
    <style:style style:name="P1" style:family="paragraph" style:parent-style-name="Title"/>
    <text:list-style style:name="L1">
      <text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>
      <text:list-level-style-number text:level="2" style:num-format="a" style:num-suffix=")" text:display-levels="1"/>
      <text:list-level-style-bullet text:level="3" text:bullet-char="•"/>
    </text:list-style>`;

  test("headings, emphasis, links, breaks and pictures keep their sense", async () => {
    const { blocks, properties } = await read({
      automatic,
      body: `<text:p text:style-name="P1">The title</text:p><text:h text:outline-level="2">Part</text:h>
        <text:p>One <text:span text:style-name="T1">bold</text:span><text:s text:c="3"/>word, <text:a xlink:href="https://example.org/">a link</text:a><text:line-break/>next.
        <draw:frame><draw:image xlink:href="Pictures/1.png"/><svg:desc>A duck</svg:desc></draw:frame></text:p>`,
    });
    expect(renderMarkdown(blocks)).toBe(
      "# The title\n\n## Part\n\nOne **bold** word, [a link](https://example.org/)  \nnext. ![A duck](Pictures/1.png)\n",
    );
    expect(properties.links).toEqual(["https://example.org/"]);
  });

  test("lists keep their numbers, over levels and interruptions", async () => {
    const item = (content: string) => `<text:list-item>${content}</text:list-item>`;
    const body = `
      <text:list text:style-name="L1">${item(`${p("one")}<text:list>${item(p("inner"))}${item(`${p("more")}<text:list>${item(p("dot"))}</text:list>`)}</text:list>`)}${item(p("two"))}</text:list>
      <text:p>Between</text:p>
      <text:list text:style-name="L1" text:continue-numbering="true">${item(p("three"))}<text:list-item text:start-value="7">${p("seven")}</text:list-item></text:list>`;
    expect(await text({ automatic, body })).toBe(
      "1. one\n  a) inner\n  b) more\n    - dot\n2. two\n\nBetween\n\n3. three\n7. seven",
    );
  });

  test("numbers of headings are counted as the outline says", async () => {
    const styles = `<office:styles><text:outline-style><text:outline-level-style text:level="1" style:num-format="I" style:num-suffix="."/>
      <text:outline-level-style text:level="2" style:num-format="1" text:display-levels="2"/></text:outline-style></office:styles>`;
    const h = (level: number, name: string) => `<text:h text:outline-level="${level}">${name}</text:h>`;
    expect(await text({ styles, body: h(1, "A") + h(2, "B") + h(2, "C") + h(1, "D") + h(2, "E") })).toBe(
      "I. A\n\nI.1 B\n\nI.2 C\n\nII. D\n\nII.1 E",
    );
  });

  test("merged cells cover their places, a table within a cell is read, repeats are bounded", async () => {
    const inner = `<table:table>${row(cell("x") + cell("y"))}</table:table>`;
    const body = `<table:table><table:table-header-rows>${row(`${cell("Head", 'table:number-columns-spanned="2"')}<table:covered-table-cell/>`)}</table:table-header-rows>
      ${row(`<table:table-cell>${p("in")}${inner}</table:table-cell>${cell("b")}`)}</table:table>`;
    const { blocks } = await read({ body });
    expect(blocks).toEqual([
      {
        type: "table",
        headerRows: 1,
        rows: [[{ text: "Head", columnSpan: 2 }], [{ text: "in\nx y" }, { text: "b" }]],
      },
    ]);
    const many = `<table:table>${row(cell("z", 'table:number-columns-repeated="4000000000"'), 'table:number-rows-repeated="4000000000"')}</table:table>`;
    const repeated = (await read({ body: many })).blocks[0];
    expect(repeated?.type === "table" && [repeated.rows.length, repeated.rows[0]?.length]).toEqual([
      1000, 1024,
    ]);
  });

  test("notes and remarks follow the text; deleted text is not there", async () => {
    const note = `<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation><text:note-body>${p("The note.")}</text:note-body></text:note>`;
    const remark = `<office:annotation><dc:creator>Ann</dc:creator><dc:date>2024-01-02T03:04:05</dc:date>${p("Really?")}</office:annotation>`;
    const deleted = `<text:tracked-changes>${p("gone")}</text:tracked-changes>`;
    expect(await text({ body: `${deleted}<text:p>Text${note} goes${remark} on.</text:p>` })).toBe(
      "Text[1] goes on.\n\n[1] The note.\n\n[author: Ann, time: 2024-01-02T03:04:05]: Really?",
    );
  });

  test("text boxes, sections and indexes are read, formulas by their signs", async () => {
    const box = `<draw:frame><draw:text-box>${p("boxed")}</draw:text-box></draw:frame>`;
    const formula = `<draw:frame><draw:object xlink:href="./Object 1"/></draw:frame>`;
    const math = `<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mfrac><mi>a</mi><msup><mi>b</mi><mn>2</mn></msup></mfrac><annotation encoding="StarMath 5.0">a over b^2</annotation></semantics></math>`;
    expect(
      await text({
        body: `<text:section>${p(`in ${box}`)}</text:section><text:table-of-content><text:table-of-content-source>${p("no")}</text:table-of-content-source><text:index-body>${p("entry")}</text:index-body></text:table-of-content>${p(formula)}`,
        manifest: `<manifest:file-entry manifest:full-path="Object 1/" manifest:media-type="application/vnd.oasis.opendocument.formula"/>`,
        more: { "Object 1/content.xml": math },
      }),
    ).toBe("in\n\nboxed\n\nentry\n\n\\frac{a}{b^{2}}");
  });

  test("running headers are read only when asked for", async () => {
    const styles = `<office:master-styles><style:master-page><style:header>${p("Running")}</style:header></style:master-page></office:master-styles>`;
    const parts = { styles, body: p("Body") };
    expect(await text(parts)).toBe("Body");
    const { blocks } = await read(parts, { options: { includeHeadersFooters: true } });
    expect(renderText(blocks).text).toBe("Running\n\nBody");
  });

  test("the document's properties come from its metadata", async () => {
    const { properties } = await read({
      body: p("x"),
      meta: `<dc:title>T</dc:title><meta:initial-creator>Ann</meta:initial-creator><meta:keyword>k</meta:keyword><meta:creation-date>2024-01-02T03:04:05.123456789</meta:creation-date><meta:document-statistic meta:page-count="3"/><dc:language>de</dc:language>`,
    });
    expect(properties).toMatchObject({
      title: "T",
      authors: ["Ann"],
      keywords: ["k"],
      created: "2024-01-02T03:04:05.123Z",
      pageCount: 3,
      extra: { language: "de" },
    });
  });

  test("a locked, a damaged and a too deep document are refused for the right reason", async () => {
    const locked = `<manifest:file-entry manifest:full-path="content.xml"><manifest:encryption-data/></manifest:file-entry>`;
    await expect(read({ body: "", manifest: locked })).rejects.toMatchObject({
      reason: "DOCUMENT_ENCRYPTED",
    });
    await expect(read({ body: "", more: { "encrypted-package": "x" } })).rejects.toMatchObject({
      reason: "DOCUMENT_ENCRYPTED",
    });
    await expect(read({ body: "<text:p>cut" })).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
    const deep = "<text:section>".repeat(400) + "</text:section>".repeat(400);
    await expect(read({ body: deep })).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
    const empty = zipOf([{ name: "mimetype", data: "application/vnd.oasis.opendocument.text" }]);
    await expect(readContent(empty)).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
  });
});

describe("ODS", () => {
  const sheet = (name: string, rows: string) => `<table:table table:name="${name}">${rows}</table:table>`;

  test("each sheet is a page with its tables where they stand, gaps and merges among them", async () => {
    const body =
      sheet(
        "Data",
        row(cell("", 'table:number-columns-repeated="3"')) +
          row(cell("a") + cell("b", 'table:number-columns-repeated="2"')) +
          row(cell("c", 'table:number-columns-spanned="3"'), 'table:number-rows-repeated="2"') +
          row("", 'table:number-rows-repeated="1048570"') +
          row(cell("", 'table:number-columns-repeated="16384"')),
      ) + sheet("Next", row('<table:table-cell office:value-type="float" office:value="42"/>'));
    const { blocks, pages, properties } = await read({ kind: "spreadsheet", body });
    expect(renderText(blocks).text).toBe("Data\n\na\tb\tb\nc\tc\tc\nc\tc\tc\n\nNext\n\n42");
    expect(pages?.map(({ page }) => page)).toEqual([1, 2]);
    expect(properties).toMatchObject({ pageCount: 2, extra: { sheets: ["Data", "Next"] } });
  });

  test("cells repeated without end cost no more than what is allowed", async () => {
    const all = row(
      cell("x", 'table:number-columns-repeated="16384"'),
      'table:number-rows-repeated="1048576"',
    );
    const { blocks } = await read({ kind: "spreadsheet", body: sheet("S", all) });
    expect(blocks.flatMap((block) => (block.type === "table" ? [block.rows.length] : []))).toEqual([1000]);
    await expect(
      read({ kind: "spreadsheet", body: sheet("S", all) }, { limits: { maxOutputCharacters: 1000 } }),
    ).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
  });

  test("hidden sheets are read with a warning", async () => {
    const automatic = `<style:style style:name="ta2" style:family="table"><style:table-properties table:display="false"/></style:style>`;
    const body = `<table:table table:name="Secret" table:style-name="ta2">${row(cell("x"))}</table:table>`;
    const { warnings, properties } = await read({ kind: "spreadsheet", automatic, body });
    expect(warnings.map(({ code }) => code)).toEqual(["HIDDEN_SHEET"]);
    expect(properties.extra).toMatchObject({ hiddenSheets: ["Secret"] });
  });
});

describe("ODP", () => {
  test("slides have their title first, then shapes and tables, then the notes", async () => {
    const frame = (kind: string, content: string) =>
      `<draw:frame presentation:class="${kind}"><draw:text-box>${content}</draw:text-box></draw:frame>`;
    const merged = `${cell("1", 'table:number-columns-spanned="2"')}<table:covered-table-cell/>${cell("z")}`;
    const table = `<draw:frame><table:table>${row(cell("a") + cell("b") + cell("c"))}${row(merged)}</table:table><draw:image/></draw:frame>`;
    const notes = `<presentation:notes>${frame("notes", p("Say this."))}</presentation:notes>`;
    const body = `<draw:page draw:name="page1">${frame("outline", p("Point"))}${frame("title", p("Title"))}${frame("page-number", p("1"))}${table}${notes}</draw:page>
      <draw:page draw:name="Second"><draw:custom-shape>${p("Shape")}</draw:custom-shape><draw:g><draw:custom-shape>${p("Grouped")}</draw:custom-shape></draw:g></draw:page>`;
    const { blocks, pages } = await read({ kind: "presentation", body });
    expect(renderText(blocks).text).toBe(
      "Title\n\nPoint\n\na\tb\tc\n1\t\tz\n\nSay this.\n\nSecond\n\nShape\n\nGrouped",
    );
    expect(
      blocks.filter(({ type }) => type === "heading" || type === "quote").map(({ page }) => page),
    ).toEqual([1, 1, 2]);
    expect(pages).toHaveLength(2);
    const first = await read({ kind: "presentation", body }, { options: { maxPages: 1 } });
    expect(first.warnings.map(({ code }) => code)).toEqual(["PAGES_SKIPPED"]);
  });
});
