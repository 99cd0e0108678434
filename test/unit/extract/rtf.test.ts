import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { renderMarkdown, renderText } from "../../../src/extract/render.ts";
import { type ReadHow, readContent } from "./read-content.ts";

const HEAD = String.raw`{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 Arial;}{\f1\fcharset204 Arial Cyr;}{\f2\fcharset128 MS Mincho;}{\f3\fcharset2 Symbol;}}`;
const read = (body: string, how: ReadHow = {}) => readContent(Buffer.from(`${HEAD}${body}}`, "latin1"), how);
const text = async (body: string) => renderText((await read(body)).blocks).text;
const markdown = async (body: string) => renderMarkdown((await read(body)).blocks);

describe("RTF", () => {
  test("bytes are read in the code page of their font, characters beyond it with their stand-in dropped", async () => {
    expect(await text(String.raw`caf\'e9 {\f1 \'cf\'f0\'e8} {\f2 \'93\'fa\'96\'7b} {\f3 a\'b7}\par`)).toBe(
      "café При 日本 α•",
    );
    expect(
      await text(String.raw`\u8364?5 \uc2\u8364\'80\'80x \u-3913?\uc0\u55357\u56832!\~\emdash\par`),
    ).toBe("€5 €x 😀!\u00a0—");
    expect(await text(String.raw`a\{b\}\\c\line d\_e\-f`)).toBe("a{b}\\c\nd-ef");
  });

  test("emphasis, links and hidden text keep their sense", async () => {
    const body = String.raw`One {\b bold {\i both}} {\strike gone} H{\sub 2}O {\v secret}{\field{\*\fldinst{HYPERLINK "https://example.org/"}}{\fldrslt{here}}}.\par`;
    expect(await markdown(body)).toBe(
      "One **bold *both*** ~~gone~~ H<sub>2</sub>O [here](https://example.org/).\n",
    );
    expect((await read(body)).properties.links).toEqual(["https://example.org/"]);
  });

  test("headings are known by style, by outline level and in other languages", async () => {
    const styles = String.raw`{\stylesheet{\s0 Normal;}{\s1\sbasedon0 heading 1;}{\s2\outlinelevel1 Kapitel;}{\s3 Title;}}`;
    expect(
      await markdown(
        String.raw`${styles}\pard\s3 T\par\pard\s1 A\par\pard\s2 B\par\pard\outlinelevel2 C\par\pard\s0 text\par`,
      ),
    ).toBe("# T\n\n# A\n\n## B\n\n### C\n\ntext\n");
  });

  test("lists show the numbers that are written out, or count them", async () => {
    const item = (marker: string, level: number, content: string) =>
      String.raw`{\listtext\tab ${marker}\tab}\pard\ls1\ilvl${level} ${content}\par `;
    const outer = String.raw`\pard\ls1`;
    expect(
      await text(
        outer +
          item("1.", 0, "one").replace("\\pard", "") +
          item("a)", 1, "inner").replace("\\pard", "") +
          item("2.", 0, "two").replace("\\pard", ""),
      ),
    ).toBe("1. one\n  a) inner\n2. two");
    const table = String.raw`{\*\listtable{\list{\listlevel\levelnfc0\levelstartat4{\leveltext\'02\'00.;}}{\listname ;}\listid7}}{\*\listoverridetable{\listoverride\listid7\listoverridecount0\ls1}}`;
    expect(await text(String.raw`${table}\pard\ls1 four\par five\par\pard end\par`)).toBe(
      "4. four\n5. five\n\nend",
    );
  });

  test("tables keep merged cells, and tables within their cells", async () => {
    const body = String.raw`\trowd\trhdr\cellx1000\cellx2000\pard\intbl A\cell B\cell\row
      \trowd\clvmgf\cellx1000\cellx2000\pard\intbl left\cell right\cell\row
      \trowd\clvmrg\cellx1000\cellx2000\pard\intbl \cell low\par er\cell\row
      \trowd\cellx2000\pard\intbl wide\cell\row\pard after\par`;
    const { blocks } = await read(body);
    expect(blocks).toEqual([
      {
        type: "table",
        headerRows: 1,
        rows: [
          [{ text: "A" }, { text: "B" }],
          [{ text: "left", rowSpan: 2 }, { text: "right" }],
          [{ text: "low\ner" }],
          [{ text: "wide", columnSpan: 2 }],
        ],
      },
      { type: "paragraph", text: "after" },
    ]);
    const nested = String.raw`\trowd\cellx1000\cellx2000\pard\intbl x\cell\pard\intbl\itap2 n1\nestcell n2\nestcell{\*\nesttableprops\trowd\cellx500\cellx900\nestrow}{\nonesttables\par}\pard\intbl y\cell\row\pard z\par`;
    expect(await text(nested)).toBe("x\tn1 n2 y\n\nz");
  });

  test("notes, remarks and text boxes come after their paragraph; pictures and objects are passed over", async () => {
    const body = String.raw`Text{\footnote\chftn  The note.\par}{\*\atnid A}{\*\atnauthor Ann}{\*\annotation Really?\par} on{\shp{\*\shpinst{\sp{\sn x}{\sv 1}}{\shptxt boxed\par}}{\shprslt no}}.{\pict\pngblip 89504e47}{\object{\*\objdata 0105}{\result shown}}{\*\unknown no}\par`;
    expect(await text(body)).toBe("Text[1] on.shown\n\nboxed\n\n[1] The note.\n\n[author: Ann]: Really?");
  });

  test("binary data is no text, whatever it holds", async () => {
    expect(await text("a{\\pict\\bin5 {}{\\x}b\\par")).toBe("ab");
  });

  test("running headers are read only when asked for; properties come from the head", async () => {
    const body = String.raw`{\info{\title My {\b T}}{\author Ann}{\creatim\yr2024\mo3\dy5\hr6\min7}{\doccomm no}}{\header Running\par}Body\par`;
    const { blocks, properties } = await read(body);
    expect(renderText(blocks).text).toBe("Body");
    expect(properties).toEqual({ title: "My T", authors: ["Ann"], created: "2024-03-05T06:07:00.000Z" });
    const all = await read(body, { options: { includeHeadersFooters: true } });
    expect(renderText(all.blocks).text).toBe("Running\n\nBody");
  });

  test("a document that is cut off is read with a warning, and refused if nothing is left", async () => {
    const { warnings } = await readContent(`${HEAD}Some text{\\b more`);
    expect(warnings.map(({ code }) => code)).toEqual(["CONTENT_TRUNCATED"]);
    await expect(readContent("{\\rtf1{\\fonttbl{\\f0 Ari")).rejects.toMatchObject({
      reason: "DOCUMENT_CORRUPT",
    });
  });

  test("groups nested without end are refused; text without end is bounded", async () => {
    await expect(read("{".repeat(100_000))).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
    await expect(read("long ".repeat(1000), { limits: { maxOutputCharacters: 100 } })).rejects.toMatchObject({
      reason: "LIMIT_EXCEEDED",
    });
  });

  test("any mixture of control words ends in blocks or a documented fault", async () => {
    const pieces = fc.constantFrom(
      ..."{ } \\par \\cell \\row \\trowd \\nestcell \\nestrow \\itap2 \\itap9 \\intbl \\pard \\ls1 \\ilvl3 \\s1 \\cellx9 \\clvmrg \\clmrg {\\footnote {\\shptxt {\\fonttbl {\\stylesheet {\\listtext {\\field {\\fldrslt {\\*\\fldinst \\u99999 \\uc9 \\'8 \\bin9 x ;".split(
        " ",
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(pieces, { maxLength: 60 }), async (parts) => {
        try {
          renderMarkdown((await read(parts.join(" "))).blocks);
        } catch (error) {
          expect(error).toMatchObject({
            reason: expect.stringMatching(/^(?:DOCUMENT_CORRUPT|LIMIT_EXCEEDED)$/),
          });
        }
      }),
      { numRuns: 300 },
    );
  });
});
