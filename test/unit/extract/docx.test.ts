import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { DEFAULT_EXTRACT_LIMITS, type ExtractInput } from "../../../src/extract/extractor.ts";
import { extractor } from "../../../src/extract/formats/docx.ts";
import type { Block } from "../../../src/extract/model.ts";
import { type DocxParts, docxOf, li, NUMBERING, p } from "./docx-fixtures.ts";
import { inputOf, scratch, zipOf } from "./zip-fixtures.ts";

async function read(parts: DocxParts, changes: Partial<ExtractInput> = {}) {
  await using folder = await scratch();
  const bytes = zipOf(docxOf(parts));
  return await extractor.extract(inputOf(await folder.write("a.docx", bytes), bytes.length, changes));
}
const blocksOf = async (parts: DocxParts): Promise<Block[]> => (await read(parts)).blocks;

const style = (id: string, name: string, more = "") =>
  `<w:style w:type="paragraph" w:styleId="${id}"><w:name w:val="${name}"/>${more}</w:style>`;
const styled = (id: string) => `<w:pStyle w:val="${id}"/>`;

test("headings are known by name in several languages, by outline level and by what a style is based on", async () => {
  const styles = [
    style("H2", "heading 2"),
    style("gr", "Επικεφαλίδα 3"),
    style("own", "Chapter", '<w:pPr><w:outlineLvl w:val="0"/></w:pPr>'),
    style("sub", "Our Section", '<w:basedOn w:val="H2"/>'),
  ].join("");
  const body = ["H2", "gr", "own", "sub"].map((id) => p(id, styled(id))).join("");
  expect(await blocksOf({ body, styles })).toEqual([
    { type: "heading", level: 2, text: "H2" },
    { type: "heading", level: 3, text: "gr" },
    { type: "heading", level: 1, text: "own" },
    { type: "heading", level: 2, text: "sub" },
  ]);
});

test("list numbers are generated as the numbering says, over prose between them and with new starts", async () => {
  const body =
    li("a") +
    li("b", 1) +
    li("c", 2) +
    p("prose") +
    li("d", 1) +
    li("e") +
    li("f", 1) +
    li("g", 0, 2) +
    li("h", 0, 3);
  const blocks = await blocksOf({ body, numbering: NUMBERING });
  const lists = blocks.filter((block) => block.type === "list");
  expect(
    lists.flatMap((list) => list.items.map((item) => `${item.level} ${item.marker} ${item.text}`)),
  ).toEqual(["0 1. a", "1 1.1 b", "2 (a) c", "1 1.2 d", "0 2. e", "1 2.1 f", "0 7. g", "0 • h"]);
  expect(blocks.map((block) => block.type)).toEqual(["list", "paragraph", "list", "list", "list"]);
});

test("a heading carries its generated number", async () => {
  const numbered = '<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr>';
  const styles = style("H1", "heading 1", numbered);
  const body = p("Intro", styled("H1")) + p("Method", styled("H1"));
  const blocks = await blocksOf({ body, styles, numbering: NUMBERING });
  expect(blocks).toMatchObject([{ text: "1. Intro" }, { text: "2. Method" }]);
});

test("cells merged over columns and rows become spans; inner tables and lists stay in their cell", async () => {
  const tc = (content: string, properties = "") => `<w:tc><w:tcPr>${properties}</w:tcPr>${content}</w:tc>`;
  const inner = `<w:tbl><w:tr>${tc(p("x"))}${tc(p("y"))}</w:tr></w:tbl>`;
  const body = `<w:tbl>
    <w:tr>${tc(p("wide"), '<w:gridSpan w:val="2"/>')}${tc(p("tall"), '<w:vMerge w:val="restart"/>')}</w:tr>
    <w:tr>${tc(li("one") + li("two"))}${tc(inner)}${tc("<w:p/>", "<w:vMerge/>")}</w:tr></w:tbl>`;
  expect(await blocksOf({ body, numbering: NUMBERING })).toEqual([
    {
      type: "table",
      headerRows: 1,
      rows: [
        [
          { text: "wide", columnSpan: 2 },
          { text: "tall", rowSpan: 2 },
        ],
        [{ text: "1. one\n2. two" }, { text: "x | y" }],
      ],
    },
  ]);
});

test("emphasis, links, code and scripts stand in the Markdown only", async () => {
  const body = `<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>bold </w:t></w:r><w:r><w:t xml:space="preserve">and </w:t></w:r>
    <w:hyperlink r:id="l1"><w:r><w:t>a link</w:t></w:r></w:hyperlink><w:r><w:t xml:space="preserve"> H</w:t></w:r>
    <w:r><w:rPr><w:vertAlign w:val="subscript"/></w:rPr><w:t>2</w:t></w:r></w:p>`;
  const { blocks, properties } = await read({
    body,
    relationships: { l1: ["hyperlink", "https://example.org/x"] },
  });
  expect(blocks).toEqual([
    {
      type: "paragraph",
      text: "bold and a link H2",
      markdown: "**bold** and [a link](https://example.org/x) H<sub>2</sub>",
    },
  ]);
  expect(properties.links).toEqual(["https://example.org/x"]);
});

test("insertions are kept, deletions and hidden text dropped, field instructions not shown", async () => {
  const run = (text: string, look = "") =>
    `<w:r><w:rPr>${look}</w:rPr><w:t xml:space="preserve">${text}</w:t></w:r>`;
  const field = (type: string) => `<w:r><w:fldChar w:fldCharType="${type}"/></w:r>`;
  const body = `<w:p>${run("a ")}<w:ins>${run("new ")}</w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>
    ${run("secret", "<w:vanish/>")}${field("begin")}<w:r><w:instrText>DATE</w:instrText></w:r>${field("separate")}
    ${run("Monday")}${field("end")}</w:p>`;
  expect(await blocksOf({ body })).toEqual([{ type: "paragraph", text: "a new Monday" }]);
});

test("text boxes are read once, in what newer programs see of them", async () => {
  const box = (text: string) => `<w:txbxContent>${p(text)}</w:txbxContent>`;
  const body = `<w:p><w:r><w:t>before</w:t><mc:AlternateContent>
    <mc:Choice Requires="wps"><w:drawing><wp:anchor><wps:txbx>${box("in the box")}</wps:txbx></wp:anchor></w:drawing></mc:Choice>
    <mc:Fallback><w:pict>${box("in the old box")}</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>`;
  expect(await blocksOf({ body })).toMatchObject([{ text: "before" }, { text: "in the box" }]);
});

test("formulas become LaTeX, alone as a block and within text between dollar signs", async () => {
  const t = (text: string) => `<m:r><m:t>${text}</m:t></m:r>`;
  const root = `<m:oMath><m:rad><m:radPr><m:degHide m:val="1"/></m:radPr><m:deg/><m:e>${t("x")}</m:e></m:rad></m:oMath>`;
  const sum = `<m:oMath><m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub>${t("i=1")}</m:sub><m:sup>${t("n")}</m:sup>
    <m:e><m:sSup><m:e>${t("i")}</m:e><m:sup>${t("2")}</m:sup></m:sSup></m:e></m:nary></m:oMath>`;
  const body = `<w:p><w:r><w:t xml:space="preserve">so </w:t></w:r>${root}</w:p><w:p>${sum}</w:p>`;
  expect(await blocksOf({ body })).toEqual([
    { type: "paragraph", text: "so $\\sqrt{x}$", markdown: "so $\\sqrt{x}$" },
    { type: "formula", text: "\\sum_{i=1}^{n}i^{2}" },
  ]);
});

test("a chart is its title and its data as a table", async () => {
  const points = (values: string[]) =>
    values.map((v, i) => `<c:pt idx="${i}"><c:v>${v}</c:v></c:pt>`).join("");
  const chart = `<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"
    xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><c:chart>
    <c:title><c:tx><c:rich><a:p><a:r><a:t>Ducks</a:t></a:r></a:p></c:rich></c:tx></c:title><c:plotArea><c:lineChart>
    <c:ser><c:tx><c:strRef><c:strCache>${points(["wild"])}</c:strCache></c:strRef></c:tx>
    <c:cat><c:strRef><c:strCache>${points(["2019", "2020"])}</c:strCache></c:strRef></c:cat>
    <c:val><c:numRef><c:numCache>${points(["4.4000000000000004", "5"])}</c:numCache></c:numRef></c:val></c:ser>
    </c:lineChart></c:plotArea></c:chart></c:chartSpace>`;
  const body = `<w:p><w:r><w:drawing><wp:inline><a:graphic><a:graphicData><c:chart r:id="c1"/></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>`;
  const blocks = await blocksOf({
    body,
    relationships: { c1: ["chart", "charts/chart1.xml"] },
    more: [{ name: "word/charts/chart1.xml", data: chart }],
  });
  expect(blocks).toEqual([
    { type: "paragraph", text: "Ducks" },
    { type: "paragraph", text: "Line chart" },
    {
      type: "table",
      headerRows: 1,
      rows: [
        [{ text: "" }, { text: "wild" }],
        [{ text: "2019" }, { text: "4.4" }],
        [{ text: "2020" }, { text: "5" }],
      ],
    },
  ]);
});

test("footnotes and comments follow the text, with labels and authors", async () => {
  const body = `<w:p><w:r><w:t>claim</w:t></w:r><w:r><w:footnoteReference w:id="5"/></w:r><w:r><w:commentReference w:id="0"/></w:r></w:p>`;
  const blocks = await blocksOf({
    body,
    footnotes: `<w:footnote w:id="0" w:type="separator">${p("---")}</w:footnote><w:footnote w:id="5">${p("source")}</w:footnote>`,
    comments: `<w:comment w:id="0" w:author="Ada">${p("sure?")}</w:comment>`,
  });
  expect(blocks).toMatchObject([
    { text: "claim[1]", markdown: "claim[^1]" },
    { text: "[1] source", markdown: "[^1]: source" },
    { text: "[author: Ada]: sure?" },
  ]);
});

test("running headers are read only on request, and before the text", async () => {
  const parts: DocxParts = {
    body: `${p("text")}<w:sectPr><w:headerReference w:type="default" r:id="header"/></w:sectPr>`,
    header: p("Running head"),
  };
  expect(await blocksOf(parts)).toMatchObject([{ text: "text" }]);
  const options = {
    maxPages: 0,
    includeTables: true,
    includeHeadersFooters: true,
    mainContentOnly: false,
    ocr: "never" as const,
    languages: [],
  };
  expect((await read(parts, { options })).blocks).toMatchObject([{ text: "Running head" }, { text: "text" }]);
});

test("pages are numbered only where the document breaks them itself", async () => {
  const broken = `${p("one")}<w:p><w:r><w:br w:type="page"/><w:t>two</w:t></w:r></w:p>${p("three", "<w:pageBreakBefore/>")}`;
  expect(await blocksOf({ body: broken })).toEqual([
    { type: "paragraph", text: "one", page: 1 },
    { type: "page_break", page: 1 },
    { type: "paragraph", text: "two", page: 2 },
    { type: "page_break", page: 2 },
    { type: "paragraph", text: "three", page: 3 },
  ]);
  expect(await blocksOf({ body: p("one") })).toEqual([{ type: "paragraph", text: "one" }]);
});

test("other prefixes and the strict namespaces mean the same", async () => {
  await using folder = await scratch();
  const main =
    '<x:document xmlns:x="http://purl.oclc.org/ooxml/wordprocessingml/main"><x:body><x:p><x:r><x:t>strict</x:t></x:r></x:p></x:body></x:document>';
  const bytes = zipOf([{ name: "word/document.xml", data: main }]);
  const document = await extractor.extract(inputOf(await folder.write("a.docx", bytes), bytes.length));
  expect(document.blocks).toEqual([{ type: "paragraph", text: "strict" }]);
});

test("a hundred thousand nested elements are refused", async () => {
  const body = `${"<w:sdt>".repeat(100_000)}${"</w:sdt>".repeat(100_000)}`;
  const limits = { ...DEFAULT_EXTRACT_LIMITS, maxInflationRatio: 100_000 };
  await expect(read({ body }, { limits })).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
});

test("entities that multiply are refused with their declaration", async () => {
  await using folder = await scratch();
  const laughs = `<!DOCTYPE w [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>&b;</w:t></w:r></w:p></w:body></w:document>`;
  const bytes = zipOf([{ name: "word/document.xml", data: laughs }]);
  const input = inputOf(await folder.write("a.docx", bytes), bytes.length);
  await expect(extractor.extract(input)).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
});

/** A document of so many MiB whose text is hidden, packed to a hundredth. */
function bomb(mebibytes: number): Buffer {
  let seed = 1;
  const word = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed.toString(36);
  };
  const piece = p(Array.from({ length: 100 }, word).join(" "), "", "<w:vanish/>");
  const data = piece.repeat(Math.ceil((1024 * 1024) / piece.length));
  const before =
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>';
  const after = "</w:body></w:document>";
  return zipOf([{ name: "word/document.xml", data, repeat: mebibytes, before, after }]);
}

test("a bomb of 600 MiB is refused under the default limits", async () => {
  await using folder = await scratch();
  const bytes = bomb(600);
  expect(bytes.length).toBeLessThan(10 * 1024 * 1024);
  const input = inputOf(await folder.write("a.docx", bytes), bytes.length);
  await expect(extractor.extract(input)).rejects.toMatchObject({ reason: "DOCUMENT_TOO_LARGE" });
});

test("memory does not grow with what a document unpacks to", async () => {
  await using folder = await scratch();
  const bytes = bomb(48);
  const input = inputOf(await folder.write("a.docx", bytes), bytes.length);
  const before = process.memoryUsage.rss();
  expect((await extractor.extract(input)).blocks).toEqual([]);
  expect(process.memoryUsage.rss() - before).toBeLessThan(128 * 1024 * 1024);
});

test("one text without end is refused instead of being gathered", async () => {
  await using folder = await scratch();
  const noise = Buffer.from(Array.from({ length: 8192 }, (_, i) => 97 + (((i * 2_654_435_761) >>> 7) % 26)));
  const data = Buffer.concat(Array.from({ length: 128 }, () => noise));
  const before =
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>';
  const bytes = zipOf([
    {
      name: "word/document.xml",
      data,
      repeat: 64,
      before,
      after: "</w:t></w:r></w:p></w:body></w:document>",
    },
  ]);
  const limits = { ...DEFAULT_EXTRACT_LIMITS, maxInflationRatio: 100_000 };
  const input = inputOf(await folder.write("a.docx", bytes), bytes.length, { limits });
  await expect(extractor.extract(input)).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
});

test("reading the same document again and again keeps memory flat", async () => {
  await using folder = await scratch();
  const bytes = zipOf(docxOf({ body: (p("text") + li("item")).repeat(50), numbering: NUMBERING }));
  const input = inputOf(await folder.write("a.docx", bytes), bytes.length);
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = async (times: number) => {
    for (let i = 0; i < times; i++) await extractor.extract(input);
    // Streams let go of their buffers in the turns after they end.
    for (let turn = 0; turn < 4; turn++) {
      await setImmediate();
      collect();
    }
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = await used(40);
  expect((await used(100)) - before).toBeLessThan(4 * 1024 * 1024);
});

test("a document cut off anywhere is a fault of the document, never a crash", async () => {
  await using folder = await scratch();
  const bytes = zipOf(docxOf({ body: p("text").repeat(200), numbering: NUMBERING }));
  for (let end = 0; end < bytes.length; end += 97) {
    const path = await folder.write("cut.docx", bytes.subarray(0, end));
    await expect(extractor.extract(inputOf(path, end))).rejects.toMatchObject({ name: "DocumentFault" });
  }
});

test("an Office file under a password is reported as encrypted", async () => {
  await using folder = await scratch();
  const bytes = Buffer.alloc(4096);
  bytes.writeUInt32BE(0xd0cf11e0, 0);
  bytes.writeUInt16LE(9, 30);
  bytes.writeUInt32LE(1, 48);
  bytes.write("EncryptedPackage", 1024, "utf16le");
  const input = inputOf(await folder.write("a.docx", bytes), bytes.length);
  await expect(extractor.extract(input)).rejects.toMatchObject({ reason: "DOCUMENT_ENCRYPTED" });
});
