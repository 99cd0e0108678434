import { readdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { describe, expect, test } from "vitest";
import { unpackRtf } from "../../../src/extract/formats/msg/compressed-rtf.ts";
import { holdsHtml, unwrapHtml } from "../../../src/extract/formats/msg/encapsulated-html.ts";
import { extractorFor } from "../../../src/extract/registry.ts";
import { renderMarkdown } from "../../../src/extract/render.ts";
import { readContent } from "./read-content.ts";
import { inputOf, scratch, zipOf } from "./zip-fixtures.ts";

const fixture = (name: string) => readFile(new URL(`../../fixtures/office/${name}`, import.meta.url));
const statuses = (document: Awaited<ReturnType<typeof readContent>>) =>
  document.children?.map(({ name, status, reason }) => [name, status, ...(reason ? [reason] : [])]);

describe("ZIP archives", () => {
  test("each file is read as what it is, below its name; names lead nowhere", async () => {
    const inner = zipOf([{ name: "deep.html", data: "<h1>Deep</h1><p>text" }]);
    const document = await readContent(
      zipOf([
        { name: "../../etc/note.md", data: "# Note\n\n**x**" },
        { name: "__MACOSX/._note.md", data: "litter" },
        { name: "inner.zip", data: inner },
        { name: "data.bin", data: Buffer.from([0, 1, 2, 3, 255, 254, 0, 7]) },
        { name: "empty.txt", data: "" },
      ]),
    );
    expect(renderMarkdown(document.blocks)).toBe(
      "# ../../etc/note.md\n\n## Note\n\n**x**\n\n# inner.zip\n\n## deep.html\n\n### Deep\n\ntext\n",
    );
    expect(document.children).toMatchObject([
      { name: "../../etc/note.md", mediaType: "text/markdown", sizeBytes: 13, status: "READ", blockCount: 2 },
      { name: "inner.zip", mediaType: "application/zip", sizeBytes: inner.length, status: "READ" },
      { name: "inner.zip/deep.html", mediaType: "text/html", sha256: expect.stringMatching(/^\w{64}$/) },
      { name: "data.bin", status: "SKIPPED", reason: "UNSUPPORTED_MEDIA_TYPE" },
      { name: "empty.txt", status: "SKIPPED", reason: "DOCUMENT_EMPTY" },
    ]);
  });

  test("progress tells documents inside by their numbers, never by their names", async () => {
    const told: (string | undefined)[] = [];
    const inner = zipOf([{ name: "jane@example.org.txt", data: "text" }]);
    const outer = zipOf([
      { name: "Jane Doe.zip", data: inner },
      { name: "note.txt", data: "text" },
    ]);
    await readContent(outer, { progress: (_done, _total, place) => void told.push(place) });
    expect(told).toEqual([
      "file 1 of 2",
      "document 1 inside",
      "document 1 inside: file 1 of 1",
      "document 1 inside: document 2 inside",
      "file 2 of 2",
      "document 3 inside",
    ]);
  });

  test("a broken or locked file is a warning; an archive of nothing else fails for its reason", async () => {
    const broken = { name: "b.xml", data: '<?xml version="1.0"?><a><b></a>' };
    const locked = { name: "l.txt", data: "x", encrypted: true };
    const document = await readContent(zipOf([broken, locked, { name: "c.txt", data: "fine" }]));
    expect(statuses(document)).toEqual([
      ["b.xml", "FAILED", "DOCUMENT_CORRUPT"],
      ["l.txt", "FAILED", "DOCUMENT_ENCRYPTED"],
      ["c.txt", "READ"],
    ]);
    expect(document.warnings.map(({ code }) => code)).toEqual(["CHILD_UNREAD", "CHILD_UNREAD"]);
    await expect(readContent(zipOf([locked]))).rejects.toMatchObject({ reason: "DOCUMENT_ENCRYPTED" });
    await expect(readContent(zipOf([]))).rejects.toMatchObject({ reason: "DOCUMENT_EMPTY" });
  });

  test("archives within archives are read to a depth of eight", async () => {
    let bytes: Buffer = Buffer.from("bottom");
    for (let depth = 12; depth > 0; depth--) {
      const name = depth === 12 ? "bottom.txt" : "z.zip";
      bytes = zipOf([
        { name: `at-${depth}.txt`, data: `level ${depth}` },
        { name, data: bytes },
      ]);
    }
    const text = renderMarkdown((await readContent(bytes)).blocks);
    expect(text).toContain("level 8");
    expect(text).not.toContain("level 9");
  });

  test("a quine zip, which holds itself, ends", async () => {
    const { children } = await readContent(await fixture("droste.zip"), { options: { ocr: "never" } });
    const archives = children?.filter(({ mediaType }) => mediaType === "application/zip");
    expect(archives?.map(({ status }) => status)).toEqual([...Array(7).fill("READ"), "FAILED"]);
    expect(archives?.at(-1)).toMatchObject({ reason: "LIMIT_EXCEEDED" });
  });

  test("a zip bomb is refused, and bombs within an archive share one budget", async () => {
    const megabyte = Buffer.alloc(1024 * 1024, "a ");
    const bomb = zipOf([{ name: "b.txt", data: megabyte, repeat: 600 }]);
    await expect(readContent(bomb)).rejects.toMatchObject({ reason: "DOCUMENT_TOO_LARGE" });
    const noise = Buffer.from(Array.from({ length: 400_000 }, (_, i) => 97 + ((i * i * 7 + (i >> 3)) % 26)));
    const some = (name: string) => ({ name, data: zipOf([{ name: "t.txt", data: noise }]) });
    const document = await readContent(zipOf([some("1.zip"), some("2.zip"), some("3.zip")]), {
      limits: { maxInflatedBytes: 1_000_000 },
    });
    const outer = document.children?.filter(({ name }) => !name.includes("/"));
    expect(outer?.map(({ status }) => status)).toContain("READ");
    expect(outer?.at(-1)).toMatchObject({ status: "FAILED", reason: "DOCUMENT_TOO_LARGE" });
  });

  test("what documents within an archive unpack to counts together", async () => {
    const book = (name: string) => ({
      name,
      data: zipOf([
        { name: "mimetype", data: "application/vnd.oasis.opendocument.text" },
        { name: "content.xml", data: `<a><!--${"pad ".repeat(100_000)}--></a>` },
      ]),
    });
    const document = await readContent(zipOf([book("1.odt"), book("2.odt"), book("3.odt")]), {
      limits: { maxInflatedBytes: 1_000_000 },
    });
    expect(statuses(document)).toEqual([
      ["1.odt", "READ"],
      ["2.odt", "READ"],
      ["3.odt", "FAILED", "DOCUMENT_TOO_LARGE"],
    ]);
  });

  test("more files than allowed, within each other too, are not read", async () => {
    const files = (count: number) =>
      zipOf(Array.from({ length: count }, (_, i) => ({ name: `${i}.txt`, data: "x" })));
    await expect(readContent(files(6), { limits: { maxMembers: 5 } })).rejects.toMatchObject({
      reason: "LIMIT_EXCEEDED",
    });
    const document = await readContent(
      zipOf([
        { name: "a.zip", data: files(4) },
        { name: "b.txt", data: "x" },
      ]),
      { limits: { maxMembers: 5 } },
    );
    expect(statuses(document)?.at(-1)).toEqual(["b.txt", "SKIPPED", "LIMIT_EXCEEDED"]);
  });

  test("nothing is left behind beside the document", async () => {
    await using folder = await scratch();
    const bytes = zipOf([
      { name: "a.txt", data: "x" },
      { name: "b.json", data: "{" },
    ]);
    const path = await folder.write("a.zip", bytes);
    await (await extractorFor("application/zip")).extract(inputOf(path, bytes.length));
    expect(await readdir(dirname(path))).toEqual(["a.zip"]);
  });
});

describe("Outlook messages", () => {
  test("the body is the text, headers are properties", async () => {
    const { blocks, properties } = await readContent(await fixture("fake-email.msg"));
    expect(renderMarkdown(blocks)).toContain("This is a test email to use for unit tests.");
    expect(properties).toMatchObject({
      title: "Test Email",
      authors: ["Matthew Robinson <mrobinson@unstructured.io>"],
      created: expect.stringMatching(/^2023-03-28T/),
      extra: { to: ["Matthew Robinson <mrobinson@unstructured.io>"] },
    });
  });

  test("attachments, messages among them, are read below their names", async () => {
    const file = await readContent(await fixture("msg_with_attachment.msg"));
    expect(file.children).toMatchObject([
      { name: "test.txt", status: "READ", sha256: expect.any(String) },
      { name: "report.pdf", status: "FAILED", reason: "DOCUMENT_CORRUPT" },
    ]);
    const message = await readContent(await fixture("testMSG_att_msg.msg"));
    expect(message.children?.map(({ mediaType, status }) => [mediaType, status])).toContainEqual([
      "application/vnd.ms-outlook",
      "READ",
    ]);
  });

  test("a compressed RTF body is unpacked, a page that it wraps is read as HTML", () => {
    const packed = Buffer.from(
      "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0",
      "hex",
    );
    expect(unpackRtf(packed).toString("latin1")).toBe("{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
    expect(() => unpackRtf(Buffer.alloc(20))).toThrow(/damaged/);
    const rtf = Buffer.from(
      String.raw`{\rtf1\ansi\ansicpg1251\fromhtml1{\fonttbl{\f0 Arial;}}{\*\htmltag64 <p>}\htmlrtf {\b\htmlrtf0 \'cf\u1088?{\*\htmltag84 <b>}x{\*\htmltag92 </b>}\htmlrtf }\htmlrtf0 \htmlrtf\par\htmlrtf0{\*\htmltag72 </p>}}`,
      "latin1",
    );
    expect(holdsHtml(rtf)).toBe(true);
    expect(unwrapHtml(rtf)).toBe("<p>Пр<b>x</b></p>");
  });
});
