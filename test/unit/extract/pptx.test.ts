import { expect, test } from "vitest";
import { readingOrder } from "../../../src/extract/formats/pptx/reading-order.ts";
import { extractor } from "../../../src/extract/formats/pptx.ts";
import {
  type FixtureMember,
  inputOf,
  OFFICE_XMLNS,
  relationshipsXml,
  scratch,
  zipOf,
} from "./zip-fixtures.ts";

/** @param slides the shapes of each slide, in the order of the show; the parts are numbered backwards */
async function read(slides: string[], more: FixtureMember[] = []) {
  await using folder = await scratch();
  const part = (i: number) => `slides/slide${slides.length - i}.xml`;
  const relationships: Record<string, [string, string]> = {};
  const members: FixtureMember[] = slides.map((shapes, i) => {
    relationships[`s${i}`] = ["slide", part(i)];
    return {
      name: `ppt/${part(i)}`,
      data: `<p:sld ${OFFICE_XMLNS}><p:cSld><p:spTree>${shapes}</p:spTree></p:cSld></p:sld>`,
    };
  });
  const ids = slides.map((_, i) => `<p:sldId id="${i}" r:id="s${i}"/>`).join("");
  members.push({
    name: "ppt/presentation.xml",
    data: `<p:presentation ${OFFICE_XMLNS}><p:sldIdLst>${ids}</p:sldIdLst></p:presentation>`,
  });
  relationships.authors = ["commentAuthors", "authors.xml"];
  members.push({ name: "ppt/_rels/presentation.xml.rels", data: relationshipsXml(relationships) });
  const bytes = zipOf([...members, ...more]);
  return await extractor.extract(inputOf(await folder.write("a.pptx", bytes), bytes.length));
}

const para = (text: string, properties = "") =>
  `<a:p><a:pPr ${properties}</a:pPr><a:r><a:t>${text}</a:t></a:r></a:p>`;
const plain = (text: string) => para(text, ">");
const shape = (paragraphs: string, place = "", placeholder = "") =>
  `<p:sp><p:nvSpPr><p:nvPr>${placeholder}</p:nvPr></p:nvSpPr><p:spPr>${place}</p:spPr><p:txBody>${paragraphs}</p:txBody></p:sp>`;
const at = (x: number, y: number, cx = 100, cy = 100) =>
  `<a:xfrm><a:off x="${x}" y="${y}"/><a:ext cx="${cx}" cy="${cy}"/></a:xfrm>`;

test("slides come in the order of the show, titles as headings, line breaks inside a title as blanks", async () => {
  const title = shape(
    "<a:p><a:r><a:t>One</a:t></a:r><a:br/><a:r><a:t>title</a:t></a:r></a:p>",
    "",
    '<p:ph type="title"/>',
  );
  const document = await read([shape(plain("body")) + title, shape(plain("second"))]);
  expect(document.blocks).toEqual([
    { type: "heading", level: 1, text: "One title", page: 1 },
    { type: "paragraph", text: "body", page: 1 },
    { type: "page_break", page: 1 },
    { type: "paragraph", text: "second", page: 2 },
  ]);
  expect(document.pages).toMatchObject([{ page: 1, characters: 13 }, { page: 2 }]);
});

test("bullets and numbers make lists with levels; numbers go on below a parent", async () => {
  const number = '><a:buAutoNum type="arabicParenR" startAt="3"/>';
  const body =
    para("a", number) + para("sub", 'lvl="1"><a:buChar char="•"/>') + para("b", number) + plain("end");
  const { blocks } = await read([shape(body)]);
  expect(blocks).toEqual([
    {
      type: "list",
      ordered: true,
      items: [
        { level: 0, text: "a", marker: "3)" },
        { level: 1, text: "sub" },
        { level: 0, text: "b", marker: "4)" },
      ],
      page: 1,
    },
    { type: "paragraph", text: "end", page: 1 },
  ]);
});

test("shapes that the file has in no order of reading are read from the top, groups as one", async () => {
  const group = `<p:grpSp><p:grpSpPr>${at(0, 200)}</p:grpSpPr>${shape(plain("in group"), at(0, 0))}</p:grpSp>`;
  const { blocks } = await read([shape(plain("bottom"), at(0, 400)) + group + shape(plain("top"), at(0, 0))]);
  expect(blocks.map((block) => "text" in block && block.text)).toEqual(["top", "in group", "bottom"]);
});

test("the order of the file stands where it already can be read: column by column", () => {
  const box = (left: number, top: number) => ({ box: { left, top, right: left + 90, bottom: top + 90 } });
  const columns = [box(0, 0), box(0, 100), box(100, 0), box(100, 100)];
  expect(readingOrder(columns)).toEqual(columns);
  expect(readingOrder([columns[1]!, columns[0]!])).toEqual([columns[0], columns[1]]);
});

test("tables keep their merged cells, pictures their description", async () => {
  const tc = (text: string, attributes = "") =>
    `<a:tc ${attributes}><a:txBody>${plain(text)}</a:txBody></a:tc>`;
  const table = `<p:graphicFrame><a:graphic><a:graphicData><a:tbl><a:tblPr firstRow="1"/>
    <a:tr>${tc("wide", 'gridSpan="2"')}${tc("", 'hMerge="1"')}</a:tr><a:tr>${tc("a")}${tc("b")}</a:tr></a:tbl></a:graphicData></a:graphic></p:graphicFrame>`;
  const picture = '<p:pic><p:nvPicPr><p:cNvPr id="1" name="x" descr="A duck"/></p:nvPicPr></p:pic>';
  const { blocks } = await read([table + picture]);
  expect(blocks).toEqual([
    {
      type: "table",
      headerRows: 1,
      rows: [[{ text: "wide", columnSpan: 2 }], [{ text: "a" }, { text: "b" }]],
      page: 1,
    },
    { type: "image", alt: "A duck", page: 1 },
  ]);
});

test("speaker notes and comments end their slide", async () => {
  const { blocks } = await read(
    [shape(plain("body"))],
    [
      {
        name: "ppt/slides/_rels/slide1.xml.rels",
        data: relationshipsXml({ n: ["notesSlide", "../n.xml"], c: ["comments", "../c.xml"] }),
      },
      {
        name: "ppt/n.xml",
        data: `<p:notes ${OFFICE_XMLNS}><p:cSld><p:spTree>${shape(plain("say this"), "", '<p:ph type="body"/>')}${shape(plain("7"), "", '<p:ph type="sldNum"/>')}</p:spTree></p:cSld></p:notes>`,
      },
      {
        name: "ppt/c.xml",
        data: `<p:cmLst ${OFFICE_XMLNS}><p:cm authorId="0"><p:text>really?</p:text></p:cm></p:cmLst>`,
      },
      {
        name: "ppt/authors.xml",
        data: `<p:cmAuthorLst ${OFFICE_XMLNS}><p:cmAuthor id="0" name="Ada"/></p:cmAuthorLst>`,
      },
    ],
  );
  expect(blocks).toMatchObject([
    { type: "paragraph", text: "body" },
    { type: "quote", text: "say this" },
    { type: "paragraph", text: "[author: Ada]: really?" },
  ]);
});

test("a container without a presentation is a fault of the document", async () => {
  await using folder = await scratch();
  const bytes = zipOf([{ name: "other.txt", data: "x" }]);
  const input = inputOf(await folder.write("a.pptx", bytes), bytes.length);
  await expect(extractor.extract(input)).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
});
