import { describe, expect, test } from "vitest";
import { renderMarkdown } from "../../../src/extract/render.ts";
import { type ReadHow, readContent } from "./read-content.ts";
import { type FixtureMember, zipOf } from "./zip-fixtures.ts";

const CONTAINER = `<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>`;

/** @param chapters name ▶ body, in reading order */
function epub(chapters: Record<string, string>, more: FixtureMember[] = [], spine = Object.keys(chapters)) {
  const names = Object.keys(chapters);
  const opf = `<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
    <metadata><dc:title>The Book</dc:title><dc:creator>Ann</dc:creator><dc:creator>Ben</dc:creator><dc:language>en</dc:language><meta property="dcterms:modified">2024-01-02T00:00:00Z</meta></metadata>
    <manifest><item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>${names
      .map((name, i) => `<item id="c${i}" href="text/${name}.xhtml" media-type="application/xhtml+xml"/>`)
      .join("")}</manifest>
    <spine><itemref idref="nav"/>${spine.map((name) => `<itemref idref="c${names.indexOf(name)}"/>`).join("")}</spine></package>`;
  const nav = `<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><body><nav epub:type="toc"><ol>${names
    .map((name) => `<li><a href="text/${name}.xhtml#top">Title of ${name}</a></li>`)
    .join("")}</ol></nav></body></html>`;
  return zipOf([
    { name: "mimetype", data: "application/epub+zip" },
    { name: "META-INF/container.xml", data: CONTAINER },
    { name: "OPS/book.opf", data: opf },
    { name: "OPS/nav.xhtml", data: nav },
    ...Object.entries(chapters).map(([name, body]) => ({
      name: `OPS/text/${name}.xhtml`,
      data: `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>${body}</body></html>`,
    })),
    ...more,
  ]);
}
const read = (bytes: Buffer, how: ReadHow = {}) => readContent(bytes, how);

describe("EPUB", () => {
  test("chapters come in the order of the spine; one without a heading has its title of the navigation", async () => {
    const chapters = {
      b: "<p>Bare<a id='x'/> text</p>",
      a: "<h2>Own</h2><p>Headed</p>",
      unused: "<p>no</p>",
    };
    const { blocks, properties } = await read(epub(chapters, [], ["a", "b"]));
    expect(renderMarkdown(blocks)).toBe("## Own\n\nHeaded\n\n# Title of b\n\nBare text\n");
    expect(properties).toMatchObject({
      title: "The Book",
      authors: ["Ann", "Ben"],
      modified: "2024-01-02T00:00:00Z",
      extra: { language: "en" },
    });
  });

  test("rights management is told apart from scrambled fonts", async () => {
    const locked = (algorithm: string, path: string): FixtureMember => ({
      name: "META-INF/encryption.xml",
      data: `<encryption><EncryptedData><EncryptionMethod Algorithm="${algorithm}"/><CipherData><CipherReference URI="${path}"/></CipherData></EncryptedData></encryption>`,
    });
    const aes = "http://www.w3.org/2001/04/xmlenc#aes256-cbc";
    const chapters = { a: "<p>x</p>" };
    await expect(read(epub(chapters, [locked(aes, "OPS/text/a.xhtml")]))).rejects.toMatchObject({
      reason: "DOCUMENT_ENCRYPTED",
    });
    const font = locked("http://www.idpf.org/2008/embedding", "OPS/font.otf");
    expect((await read(epub(chapters, [font]))).blocks).toHaveLength(2);
  });

  test("missing parts are a warning, a book without any is refused", async () => {
    const book = epub({ a: "<p>x</p>" });
    const lost = Buffer.from(
      book.toString("latin1").replaceAll("OPS/text/a.xhtml", "OPS/text/z.xhtml"),
      "latin1",
    );
    await expect(read(lost)).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
    const empty = zipOf([{ name: "mimetype", data: "application/epub+zip" }]);
    await expect(read(empty)).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
  });

  test("a chapter that unpacks without end is refused", async () => {
    const bomb = zipOf([
      { name: "mimetype", data: "application/epub+zip" },
      { name: "META-INF/container.xml", data: CONTAINER },
      { name: "OPS/book.opf", data: " ".repeat(1024), repeat: 4000 },
    ]);
    await expect(read(bomb, { limits: { maxInflatedBytes: 1024 * 1024 } })).rejects.toMatchObject({
      reason: "DOCUMENT_TOO_LARGE",
    });
  });
});
