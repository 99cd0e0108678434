import { readFile } from "node:fs/promises";
import { utils, write } from "@e965/xlsx";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openCompound, streamOf } from "../../../src/extract/compound.ts";
import { renderMarkdown, renderText } from "../../../src/extract/render.ts";
import { readContent } from "./read-content.ts";

const fixture = (name: string) => readFile(new URL(`../../fixtures/office/${name}`, import.meta.url));
const markdown = async (name: string) => renderMarkdown((await readContent(await fixture(name))).blocks);

describe("DOC", () => {
  test("headings, emphasis, lists, links, tables, notes and text boxes keep their sense", async () => {
    const { blocks, properties } = await readContent(await fixture("testWORD_various.doc"));
    const text = renderMarkdown(blocks);
    for (const part of [
      "Footnote appears here\\[1\\]",
      "**Bold** *italic* underline <sup>superscript</sup> <sub>subscript</sub>",
      "- Bullet 1\n- Bullet 2\n- Bullet 3\n",
      "1) Number bullet 1\n2) Number bullet 2\n",
      "[This is a hyperlink](http://tika.apache.org/)",
      "| Row 1 Col 1 | Row 1 Col 2 | Row 1 Col 3 |\n| --- | --- | --- |\n| Row 2 Col 1 | Row 2 Col 2 | Row 2 Col 3 |",
      "ゾルゲと尾崎、淡々と最期",
      "𐌲𐌿𐍄𐌹𐍃𐌺",
      "Here is a text box",
      "\\[1\\] This is a footnote.",
    ]) {
      expect(text).toContain(part);
    }
    expect(properties.links).toEqual(["http://tika.apache.org/"]);
  });

  test("a document of Word 6 gives its text", async () => {
    expect(await markdown("testWORD6.doc")).toContain("The quick brown fox jumps over the lazy dog");
  });

  test("a document under a password is refused as encrypted", async () => {
    await expect(markdown("testWORD_protected_passtika.doc")).rejects.toMatchObject({
      reason: "DOCUMENT_ENCRYPTED",
    });
  });
});

describe("PPT", () => {
  test("slides have titles, lists, tables with merged cells, and notes", async () => {
    const { blocks, pages } = await readContent(await fixture("legacy_sample.ppt"));
    const text = renderMarkdown(blocks);
    for (const part of [
      "# Test Table Slide",
      "|  | Class1 | Class1 | Class1 | Class2 | Class2 | Class2 |",
      "| R3 | False |  |  |  | False |  |",
      "- With foo\n- Bar\n- And baz things",
      "> Some notes on the second slide.",
    ]) {
      expect(text).toContain(part);
    }
    expect(pages?.map(({ page }) => page)).toEqual([1, 2, 3]);
    expect(blocks.find((block) => block.type === "quote")?.page).toBe(2);
  });

  test("a presentation under a password is refused as encrypted", async () => {
    await expect(markdown("Password_Protected-hello.ppt")).rejects.toMatchObject({
      reason: "DOCUMENT_ENCRYPTED",
    });
  });
});

describe("XLS", () => {
  function workbook(rows: unknown[][], change?: (sheet: ReturnType<typeof utils.aoa_to_sheet>) => void) {
    const book = utils.book_new();
    const sheet = utils.aoa_to_sheet(rows);
    change?.(sheet);
    utils.book_append_sheet(book, sheet, "Data");
    utils.book_append_sheet(book, utils.aoa_to_sheet([["alone"]]), "Next");
    return write(book, { type: "buffer", bookType: "biff8" }) as Buffer;
  }

  test("each sheet is a page with its tables, merged cells and titles", async () => {
    const bytes = workbook(
      [["Ducks"], ["Year", "Count"], [2019, 120], [2020, 0.5], [], ["wide", null], ["x", "y"]],
      (sheet) => {
        sheet["!merges"] = [{ s: { r: 5, c: 0 }, e: { r: 5, c: 1 } }];
      },
    );
    const { blocks, pages, properties } = await readContent(bytes);
    expect(renderText(blocks).text).toBe(
      "Data\n\nDucks\nYear\tCount\n2019\t120\n2020\t0.5\n\nwide\twide\nx\ty\n\nNext\n\nalone",
    );
    expect(pages).toHaveLength(2);
    expect(properties).toMatchObject({ pageCount: 2, extra: { sheets: ["Data", "Next"] } });
  });

  test("a workbook under a password is refused as encrypted", async () => {
    await expect(markdown("xor-encryption-abc.xls")).rejects.toMatchObject({ reason: "DOCUMENT_ENCRYPTED" });
  });
});

describe("compound files", () => {
  test("chains of sectors and directories that go round end in a fault", async () => {
    const bytes = Buffer.from(await fixture("testWORD_various.doc"));
    const table = (bytes.readUInt32LE(76) + 1) * 512;
    for (let i = 0; i < 128; i++) bytes.writeUInt32LE(0, table + i * 4);
    expect(() => streamOf(openCompound(bytes), "WordDocument")).toThrow(/damaged/);
    const directory = Buffer.from(await fixture("testWORD_various.doc"));
    const first = (directory.readUInt32LE(48) + 1) * 512;
    for (let at = first; at < first + 512; at += 128) directory.writeUInt32LE(0, at + 76);
    expect(() => openCompound(directory)).not.toThrow();
  });

  test("streams that lie over each other do not multiply the work", async () => {
    const file = openCompound(await fixture("testWORD_various.doc"));
    const entry = file.root.children.find(({ name }) => name === "WordDocument")!;
    const readOften = () => {
      for (let i = 0; i < 1000; i++) file.read(entry);
    };
    expect(readOften).toThrow(/damaged/);
  });

  test.each(["testWORD_various.doc", "legacy_sample.ppt", "fake-email.msg", "testWORD6.doc"])(
    "%s with damage anywhere ends in blocks or a documented fault",
    async (name) => {
      const original = await fixture(name);
      const damage = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255)), {
        minLength: 1,
        maxLength: 40,
      });
      await fc.assert(
        fc.asyncProperty(damage, fc.double({ min: 0.2, max: 1, noNaN: true }), async (changes, cut) => {
          const bytes = Buffer.from(
            original.subarray(0, Math.ceil(original.length * Math.min(1, cut * 1.3))),
          );
          for (const [place, value] of changes) bytes[Math.floor(place * (bytes.length - 1))] = value;
          try {
            renderMarkdown((await readContent(bytes)).blocks);
          } catch (error) {
            expect(error).toMatchObject({
              reason: expect.stringMatching(/^(?:DOCUMENT_|LIMIT_EXCEEDED|UNSUPPORTED_MEDIA_TYPE)/),
            });
          }
        }),
        { numRuns: 60 },
      );
    },
    60_000,
  );
});
