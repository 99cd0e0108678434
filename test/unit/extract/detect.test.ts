import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import iconv from "iconv-lite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DETECT_HEAD_BYTES, detectMediaType } from "../../../src/extract/detect.ts";
import { decodeText, detectEncoding } from "../../../src/extract/encoding.ts";
import { storedZip } from "./stored-zip.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-detect-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function detect(content: string | Uint8Array, filename = "", declaredMediaType = "") {
  const bytes = Buffer.from(content);
  const path = join(folder, "document");
  await writeFile(path, bytes);
  return await detectMediaType({
    head: bytes.subarray(0, DETECT_HEAD_BYTES),
    path,
    size: bytes.length,
    filename,
    declaredMediaType,
  });
}
const typeOf = async (content: string | Uint8Array, filename = "") =>
  (await detect(content, filename)).mediaType;

describe("detectMediaType", () => {
  test("an empty document is a fault of its own", async () => {
    await expect(detect("")).rejects.toMatchObject({ reason: "DOCUMENT_EMPTY" });
  });

  test.each([
    ["%PDF-1.7\n", "application/pdf"],
    ["\n\n%PDF-1.7\n", "application/pdf"],
    ["{\\rtf1\\ansi x}", "application/rtf"],
    ["WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n", "text/vtt"],
    ["1\n00:00:01,000 --> 00:00:02,000\nHi\n", "application/x-subrip"],
    ["<!DOCTYPE html><title>x</title>", "text/html"],
    ["<!-- c --><p>One<p>Two", "text/html"],
    ['<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', "application/xhtml+xml"],
    ['<?xml version="1.0"?><note><to>x</to></note>', "application/xml"],
    ["<note><to>x</to></note>", "application/xml"],
    ['<article article-type="research"><front><article-meta/></front></article>', "application/jats+xml"],
    ['<?xml version="1.0"?><rss version="2.0"><channel/></rss>', "application/rss+xml"],
    ['<feed xmlns="http://www.w3.org/2005/Atom"></feed>', "application/atom+xml"],
    ['{"a": [1, 2, {"b": null}]}', "application/json"],
    ['{"a": 1}\n{"a": 2}\n', "application/x-ndjson"],
    ['{"cells": [], "nbformat": 4}', "application/x-ipynb+json"],
    [
      `{"cells": [{"cell_type": "code", "source": "${"x".repeat(70_000)}"}], "nbformat": 4}`,
      "application/x-ipynb+json",
    ],
    ["{\\rtf1\\ansi \0\u0001 x}", "application/rtf"],
    ["{not json at all}", "text/plain"],
    ["From: a@example.org\nSubject: Hi\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n\nBody", "message/rfc822"],
    ["Note: this is\nSubject: to change\n\nBody", "text/plain"],
    ['a,b,c\n1,2,3\n4,"5,6",7\n', "text/csv"],
    ["a\tb\n1\t2\n", "text/tab-separated-values"],
    ["# Title\n\nSome **bold** text and a [link](http://x.y).\n", "text/markdown"],
    ["Well, yes, no.\nNo, then, yes.\nPlain words.\n", "text/plain"],
    ["a < b and so on", "text/plain"],
  ])("%j is %s by its content alone", async (content, mediaType) => {
    expect(await typeOf(content)).toBe(mediaType);
  });

  test("the name decides between plain text, CSV and Markdown only", async () => {
    expect(await typeOf("a,b\n1,2,3\n", "x.csv")).toBe("text/csv");
    expect(await typeOf("just words", "x.md")).toBe("text/markdown");
    expect(await typeOf("# Title\n\n**bold**\n", "x.txt")).toBe("text/plain");
    expect(await typeOf('{"a":1}', "x.md")).toBe("application/json");
  });

  test.each([
    ["one-bit.png", "image/png"],
    ["cmyk.jpg", "image/jpeg"],
    ["two-pages-g4.tif", "image/tiff"],
    ["lossy.webp", "image/webp"],
    ["first.gif", "image/gif"],
    ["one-bit.bmp", "image/bmp"],
  ])("%s is %s", async (name, mediaType) => {
    expect(await typeOf(readFileSync(new URL(`../../fixtures/images/${name}`, import.meta.url)))).toBe(
      mediaType,
    );
  });

  test("a TIFF whose directory lies far behind its start is one", async () => {
    const bytes = Buffer.alloc(DETECT_HEAD_BYTES + 100);
    bytes.write("MM\0*", "latin1");
    bytes.writeUInt32BE(DETECT_HEAD_BYTES + 10, 4);
    expect(await typeOf(bytes)).toBe("image/tiff");
  });

  test("containers are told apart by their members", async () => {
    const contentTypes = (part: string) => ({
      "[Content_Types].xml": `<Types><Override ContentType="application/vnd.openxmlformats-officedocument.${part}+xml"/></Types>`,
    });
    const word = "wordprocessingml.document";
    expect(await typeOf(storedZip(contentTypes(`${word}.main`)))).toBe(
      `application/vnd.openxmlformats-officedocument.${word}`,
    );
    const odt = "application/vnd.oasis.opendocument.text";
    expect(await typeOf(storedZip({ mimetype: odt }))).toBe(odt);
    expect(await typeOf(storedZip({ mimetype: "application/epub+zip" }))).toBe("application/epub+zip");
    expect(await typeOf(storedZip({ "a.txt": "x" }))).toBe("application/zip");
  });

  test("content that contradicts name or declaration is reported and read by content", async () => {
    const zip = await detect(storedZip({ "a.txt": "x" }), "report.pdf", "application/pdf");
    expect(zip.mediaType).toBe("application/zip");
    expect(zip.warnings.map((warning) => warning.code)).toEqual([
      "MEDIA_TYPE_MISMATCH",
      "MEDIA_TYPE_MISMATCH",
    ]);
    expect((await detect("%PDF-1.7", "REPORT.PDF", "application/pdf")).warnings).toEqual([]);
    expect((await detect("words", "notes.txt", "application/octet-stream")).warnings).toEqual([]);
  });

  test("never throws and always names a type, whatever the bytes", async () => {
    const marks = fc.constantFrom(
      "",
      "PK\x03\x04",
      "%PDF-",
      "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
      "<?xml ",
      '{"a":',
      "\xff\xfe",
      "From: ",
    );
    await fc.assert(
      fc.asyncProperty(marks, fc.uint8Array({ minLength: 1, maxLength: 1200 }), async (mark, bytes) => {
        const { mediaType } = await detect(Buffer.concat([Buffer.from(mark, "latin1"), bytes]));
        expect(mediaType).toMatch(/^[\w.+-]+\/[\w.+-]+$/);
      }),
      { numRuns: 300 },
    );
  });

  test("text made to be looked at for long is judged at once", async () => {
    const hostile = [
      "<!DOCTYPE a [",
      "<!--",
      '{"a":',
      "[",
      '"',
      "a:".repeat(5),
      "<a ",
      " ",
      "#[](",
      'a,"',
      "\\",
    ];
    for (const piece of hostile) await detect(piece.repeat(Math.ceil(DETECT_HEAD_BYTES / piece.length)));
  }, 10_000);
});

describe("encodings", () => {
  const samples: Record<string, string> = {
    "utf-8": "Grüße, Привет, 日本語, naïve — “yes”",
    "utf-16le": "Plain words, and Привет",
    "utf-16be": "Plain words, and Привет",
    "utf-32le": "Plain words, and Привет",
    "utf-32be": "Plain words, and Привет",
    "windows-1252": "Der große Bär müßte über die Straße gehen; “naïve” café à la française.",
    "windows-1251": "Съешь же ещё этих мягких французских булок, да выпей чаю. Привет, как дела сегодня?",
    "windows-1250": "Zażółć gęślą jaźń. Wszyscy ludzie rodzą się wolni i równi pod względem swej godności.",
    shift_jis: "これは日本語のテキストです。文字コードを判別します。カタカナもあります。",
    "euc-jp": "これは日本語のテキストです。文字コードを判別します。カタカナもあります。",
    "euc-kr": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    gb18030: "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。",
    big5: "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心。",
  };

  test.each(Object.entries(samples))("text in %s reads back without being told", (encoding, text) => {
    expect(decodeText(iconv.encode(text, encoding)).text).toBe(text);
  });

  test("a byte order mark wins and is not part of the text", () => {
    for (const encoding of ["utf-8", "utf-16le", "utf-16be", "utf-32le", "utf-32be"]) {
      expect(decodeText(iconv.encode("añb", encoding, { addBOM: true }))).toEqual({ text: "añb", encoding });
    }
  });

  test("HTML meta and XML declaration are believed where the bytes allow it", () => {
    const cyrillic = iconv.encode('<meta charset="koi8-r"><p>да', "koi8-r");
    expect(detectEncoding(cyrillic)).toBe("koi8-r");
    expect(
      detectEncoding(iconv.encode('<?xml version="1.0" encoding="iso-8859-2"?><a>ř</a>', "iso-8859-2")),
    ).toBe("iso-8859-2");
    expect(detectEncoding(Buffer.from('<meta charset="utf-16">plain'))).toBe("utf-8");
  });

  test("any text comes back from any Unicode form, marked", () => {
    const text = fc.string({ unit: "grapheme" }).map((s) => s.replaceAll("\0", "").replace(/^\ufeff+/, ""));
    fc.assert(
      fc.property(
        text,
        fc.constantFrom("utf-8", "utf-16le", "utf-16be", "utf-32le", "utf-32be"),
        (s, encoding) => {
          expect(decodeText(iconv.encode(s, encoding, { addBOM: true })).text).toBe(s);
        },
      ),
    );
  });

  test("a cut in the middle of a character does not hide UTF-8", () => {
    expect(detectEncoding(Buffer.from("aé€😀").subarray(0, -1), true)).toBe("utf-8");
  });

  test("bytes that are no text have no encoding", () => {
    expect(detectEncoding(Uint8Array.from({ length: 512 }, (_, i) => (i * 89) % 256))).toBeUndefined();
  });

  test("non-ASCII bytes far behind the beginning still count", () => {
    const far = Buffer.concat([
      Buffer.alloc(200_000, "a "),
      iconv.encode("größer für Äpfel", "windows-1252"),
    ]);
    expect(decodeText(far).text.endsWith("größer für Äpfel")).toBe(true);
  });
});
