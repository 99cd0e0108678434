import { expect, test } from "vitest";
import type { ExtractInput } from "../../../src/extract/extractor.ts";
import { formatOf } from "../../../src/extract/formats/xlsx/number-format.ts";
import { extractor } from "../../../src/extract/formats/xlsx.ts";
import { type FixtureMember, inputOf, relationshipsXml, scratch, zipOf } from "./zip-fixtures.ts";

const S =
  'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"';

interface WorkbookParts {
  /** Sheet name ▶ what stands in its `worksheet`; `!` before the name hides it. */
  sheets: Record<string, string>;
  strings?: string;
  styles?: string;
  more?: FixtureMember[];
  workbook?: Record<string, [type: string, target: string]>;
}

async function read(
  { sheets, strings, styles, more = [], workbook = {} }: WorkbookParts,
  changes: Partial<ExtractInput> = {},
) {
  await using folder = await scratch();
  const names = Object.keys(sheets);
  const relationships: Record<string, [string, string]> = { ...workbook };
  const members: FixtureMember[] = names.map((name, i) => {
    relationships[`s${i}`] = ["worksheet", `worksheets/sheet${i}.xml`];
    return { name: `xl/worksheets/sheet${i}.xml`, data: `<worksheet ${S}>${sheets[name]}</worksheet>` };
  });
  const list = names.map(
    (name, i) =>
      `<sheet name="${name.replace("!", "")}" sheetId="${i + 1}" ${name.startsWith("!") ? 'state="hidden"' : ""} r:id="s${i}"/>`,
  );
  members.push({
    name: "xl/workbook.xml",
    data: `<workbook ${S}><sheets>${list.join("")}</sheets></workbook>`,
  });
  if (strings !== undefined) {
    relationships.strings = ["sharedStrings", "sharedStrings.xml"];
    members.push({ name: "xl/sharedStrings.xml", data: `<sst ${S}>${strings}</sst>` });
  }
  if (styles !== undefined) {
    relationships.styles = ["styles", "styles.xml"];
    members.push({ name: "xl/styles.xml", data: `<styleSheet ${S}>${styles}</styleSheet>` });
  }
  members.push({ name: "xl/_rels/workbook.xml.rels", data: relationshipsXml(relationships) });
  const bytes = zipOf([...members, ...more]);
  return await extractor.extract(inputOf(await folder.write("a.xlsx", bytes), bytes.length, changes));
}

const cell = (ref: string, value: string | number) =>
  typeof value === "number"
    ? `<c r="${ref}"><v>${value}</v></c>`
    : `<c r="${ref}" t="inlineStr"><is><t>${value}</t></is></c>`;

/** Rows of cells from A1 on; empty strings leave a gap. */
const grid = (rows: (string | number)[][]) =>
  `<sheetData>${rows
    .map(
      (row, r) =>
        `<row r="${r + 1}">${row.map((v, c) => (v === "" ? "" : cell(`${"ABCDEFGH"[c]}${r + 1}`, v))).join("")}</row>`,
    )
    .join("")}</sheetData>`;

test("sheets come in order under their names, hidden ones with a warning, each as a page", async () => {
  const document = await read({ sheets: { First: grid([["a"]]), "!Second": grid([["b"]]) } });
  expect(document.blocks).toEqual([
    { type: "heading", level: 1, text: "First", page: 1 },
    { type: "paragraph", text: "a", page: 1 },
    { type: "page_break", page: 1 },
    { type: "heading", level: 1, text: "Second", page: 2 },
    { type: "paragraph", text: "b", page: 2 },
  ]);
  expect(document.warnings).toMatchObject([{ code: "HIDDEN_SHEET", page: 2 }]);
  expect(document.properties).toMatchObject({ pageCount: 2, extra: { hiddenSheets: ["Second"] } });
});

test("tables part at empty rows and columns, and a title above one becomes its caption", async () => {
  const sheet = grid([
    ["Ducks", "", "", "", ""],
    ["year", "count", "", "x", "y"],
    [2019, 3, "", 1, 2],
    ["", "", "", "", ""],
    ["note", "", "", "", ""],
  ]);
  const { blocks } = await read({ sheets: { S: sheet } });
  const row = (...texts: string[]) => texts.map((text) => ({ text }));
  expect(blocks.slice(1)).toEqual([
    {
      type: "table",
      headerRows: 1,
      caption: "Ducks",
      rows: [row("year", "count"), row("2019", "3")],
      page: 1,
    },
    { type: "table", headerRows: 1, rows: [row("x", "y"), row("1", "2")], page: 1 },
    { type: "paragraph", text: "note", page: 1 },
  ]);
});

test("merged cells become spans", async () => {
  const sheet = `${grid([
    ["first", "header", ""],
    ["", "b", "c"],
    [1, 2, 3],
  ])}<mergeCells><mergeCell ref="A1:A2"/><mergeCell ref="B1:C1"/></mergeCells>`;
  const { blocks } = await read({ sheets: { S: sheet } });
  expect(blocks[1]).toMatchObject({
    rows: [
      [
        { text: "first", rowSpan: 2 },
        { text: "header", columnSpan: 2 },
      ],
      [{ text: "b" }, { text: "c" }],
      [{ text: "1" }, { text: "2" }, { text: "3" }],
    ],
  });
});

test("shared and rich strings, cached formula values, booleans and errors are read as shown", async () => {
  const sheet = `<sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1"><f>1+1</f><v>2</v></c>
    <c r="C1" t="b"><v>1</v></c><c r="D1" t="e"><v>#DIV/0!</v></c><c r="E1" t="str"><f>X</f><v>text</v></c></row></sheetData>`;
  const strings = "<si><r><t>ri</t></r><r><t>ch</t></r><rPh><t>phonetic</t></rPh></si>";
  const { blocks } = await read({ sheets: { S: sheet }, strings });
  expect(blocks[1]).toMatchObject({
    rows: [[{ text: "rich" }, { text: "2" }, { text: "TRUE" }, { text: "#DIV/0!" }, { text: "text" }]],
  });
});

test("a cell's style decides whether its number is a date", async () => {
  const styles =
    '<numFmts><numFmt numFmtId="164" formatCode="dd\\.mm\\.yyyy"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs>';
  const sheet =
    '<sheetData><row r="1"><c r="A1" s="1"><v>45292</v></c><c r="B1" s="0"><v>45292</v></c></row></sheetData>';
  const { blocks } = await read({ sheets: { S: sheet }, styles });
  expect(blocks[1]).toMatchObject({ rows: [[{ text: "2024-01-01" }, { text: "45292" }]] });
});

test.each([
  ["yyyy-mm-dd", false, "59", "1900-02-28"],
  ["yyyy-mm-dd", false, "61", "1900-03-01"],
  ["yyyy-mm-dd", true, "0", "1904-01-01"],
  ["d/m/yy h:mm", false, "45292.75", "2024-01-01 18:00:00"],
  ["h:mm:ss AM/PM", false, "0.5", "12:00:00"],
  ["[h]:mm", false, "1.5", "36:00:00"],
  ["0.00%", false, "0.125", "12.50%"],
  ["General", false, "0.30000000000000004", "0.3"],
  ['#,##0.00 "days"', false, "1234.5", "1234.5"],
  ["[Red]0.0", false, "7", "7"],
  ["00000", false, "123", "00123"],
  ["", false, "12345678901234567890", "12345678901234567890"],
])("format %s (1904: %s) shows %s as %s", (code, from1904, stored, shown) => {
  expect(formatOf(code, from1904)(stored)).toBe(shown);
});

test("notes and threads stand after the sheet with their authors, stand-ins for threads left out", async () => {
  const T = 'xmlns="http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments"';
  const more: FixtureMember[] = [
    {
      name: "xl/worksheets/_rels/sheet0.xml.rels",
      data: relationshipsXml({
        c: ["comments", "../comments1.xml"],
        t: ["threadedComment", "../threads.xml"],
      }),
    },
    {
      name: "xl/comments1.xml",
      data: `<comments ${S}><authors><author>Ada</author><author>tc={1}</author></authors><commentList>
        <comment ref="B1" authorId="0"><text><t>Ada:\nwhy?</t></text></comment><comment ref="A1" authorId="1"><text><t>[Threaded comment]</t></text></comment></commentList></comments>`,
    },
    {
      name: "xl/threads.xml",
      data: `<ThreadedComments ${T}><threadedComment ref="A1" dT="2026-01-02T03:04:05.6" personId="p"><text>how?</text></threadedComment></ThreadedComments>`,
    },
    {
      name: "xl/persons/person.xml",
      data: `<personList ${T}><person displayName="Bob" id="p"/></personList>`,
    },
  ];
  const { blocks } = await read({
    sheets: { S: grid([["a", "b"]]) },
    more,
    workbook: { p: ["person", "persons/person.xml"] },
  });
  expect(blocks.slice(2)).toMatchObject([
    { text: "[author: Bob, time: 2026-01-02T03:04:05.600]: how?" },
    { text: "[author: Ada]: why?" },
  ]);
});

test("a merge over the whole sheet and cells at its far corners cost no memory", async () => {
  const sheet = `<sheetData><row r="1">${cell("A1", "a")}${cell("XFD1", "b")}</row><row r="2">${cell("B2", "c")}</row>
    <row r="1048576">${cell("XFD1048576", "d")}</row></sheetData><mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>`;
  const { blocks } = await read({ sheets: { S: sheet } });
  expect(JSON.stringify(blocks).length).toBeLessThan(10_000);
});

test("only as many sheets are read as asked for", async () => {
  const options = {
    maxPages: 1,
    includeTables: true,
    includeHeadersFooters: false,
    mainContentOnly: false,
    ocr: "never" as const,
    languages: [],
  };
  const document = await read({ sheets: { A: grid([["a"]]), B: grid([["b"]]) } }, { options });
  expect(document.blocks.map((block) => block.page)).toEqual([1, 1]);
  expect(document.warnings).toMatchObject([{ code: "PAGES_SKIPPED" }]);
});

test("a sheet of very many lone cells is read, each as a paragraph", async () => {
  const rows = Array.from({ length: 70_000 }, (_, i) => {
    const row = 2 * i + 1;
    return `<row r="${row}">${cell(`A${row}`, i)}${cell(`C${row}`, i)}</row>`;
  });
  const { blocks } = await read({ sheets: { S: `<sheetData>${rows.join("")}</sheetData>` } });
  expect(blocks).toHaveLength(140_001);
}, 20_000);
