import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DocumentHost, startDocumentHost } from "../../support/document-host.ts";
import { zipOf } from "../../unit/extract/zip-fixtures.ts";

const MIB = 1024 * 1024;
/** What the process that hosts the document processes may grow by; the documents stay out of it. */
const MOST_GROWTH = 40 * MIB;

let host: DocumentHost;
beforeAll(async () => {
  host = await startDocumentHost({ timeoutMs: 60_000, idleProgressTimeoutMs: 30_000 });
});
afterAll(() => host[Symbol.asyncDispose]());

type Content = string | Buffer | ((path: string) => void);

/** How a document ends: `COMPLETED` with its text, or the reason; this process must stay as it was. */
async function endOf(filename: string, content: Content): Promise<{ end: string; text: string }> {
  const path = join(host.folder, `in-${filename}`);
  if (typeof content === "function") content(path);
  else writeFileSync(path, content);
  const before = process.memoryUsage.rss();
  const ended = await host.read({ path, filename }).then(
    ({ text }) => ({ end: "COMPLETED", text }),
    ({ reason }: { reason?: string }) => ({ end: reason ?? "no reason", text: "" }),
  );
  expect(process.memoryUsage.rss() - before).toBeLessThan(MOST_GROWTH);
  return ended;
}

const members = (xml: string, name: string, type: string) => [
  {
    name: "[Content_Types].xml",
    data: `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/${name}" ContentType="application/vnd.openxmlformats-officedocument.${type}.main+xml"/></Types>`,
  },
  { name, data: xml },
];

describe("nesting without end is refused in every format that nests", () => {
  const deep = 200_000;
  const xml = `${"<a>".repeat(deep)}x${"</a>".repeat(deep)}`;
  const cases: readonly [string, Content][] = [
    ["deep.html", `<!doctype html>${"<div>".repeat(deep)}x`],
    ["deep-lists.json", `${"[".repeat(deep)}${"]".repeat(deep)}`],
    ["deep-objects.json", `${'{"a":'.repeat(deep)}1${"}".repeat(deep)}`],
    ["deep.xml", `<?xml version="1.0"?>${xml}`],
    ["deep.rtf", `{\\rtf1 ${"{".repeat(deep)}x${"}".repeat(deep)}}`],
    ["deep.md", `# Quotes\n\n${"> ".repeat(deep)}x`],
    [
      "deep.docx",
      zipOf(
        members(
          `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>${"<w:sdt>".repeat(20_000)}<w:p/>`,
          "word/document.xml",
          "wordprocessingml.document",
        ),
      ),
    ],
    [
      "deep.odt",
      zipOf([
        { name: "mimetype", data: "application/vnd.oasis.opendocument.text" },
        {
          name: "content.xml",
          data: `<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:text>${"<text:section>".repeat(20_000)}`,
        },
      ]),
    ],
  ];
  for (const [name, content] of cases)
    test(name, async () => {
      expect((await endOf(name, content)).end).toMatch(/^(LIMIT_EXCEEDED|DOCUMENT_TOO_LARGE)$/);
    });
});

test("zip bomb: an archive that unpacks to gigabytes is refused", async () => {
  const bomb = zipOf([{ name: "a.txt", data: Buffer.alloc(MIB, "a"), repeat: 2_000 }]);
  expect(bomb.length).toBeLessThan(3 * MIB);
  expect((await endOf("bomb.zip", bomb)).end).toBe("DOCUMENT_TOO_LARGE");
});

test("quine zip: an archive that holds itself comes to an end", async () => {
  const droste = readFileSync(join(import.meta.dirname, "../../fixtures/office/droste.zip"));
  const { end, text } = await endOf("droste.zip", droste);
  expect(end).toBe("COMPLETED");
  expect(text.length).toBeLessThan(100_000);
});

test("a DOCX and a gzip file that inflate a thousandfold are refused", async () => {
  const paragraphs = "<w:p><w:r><w:t>aaaa</w:t></w:r></w:p>".repeat(20_000);
  const [types, document] = members(paragraphs, "word/document.xml", "wordprocessingml.document");
  const docx = zipOf([
    types ?? { name: "", data: "" },
    {
      name: document?.name ?? "",
      data: paragraphs,
      repeat: 100,
      before: '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>',
      after: "</w:body></w:document>",
    },
  ]);
  expect((await endOf("bomb.docx", docx)).end).toBe("DOCUMENT_TOO_LARGE");
  expect((await endOf("bomb.gz", gzipSync(Buffer.alloc(100 * MIB)))).end).toBe("UNSUPPORTED_MEDIA_TYPE");
});

test("billion laughs: entities of entities are not multiplied", async () => {
  const entities = Array.from(
    { length: 30 },
    (_, i) => `<!ENTITY lol${i} "${(i === 0 ? "ha" : `&lol${i - 1};`).repeat(10)}">`,
  );
  const xml = `<?xml version="1.0"?><!DOCTYPE r [${entities.join("")}]><r>laughs: &lol29;</r>`;
  const { text } = await endOf("laughs.xml", xml);
  expect(text.length).toBeLessThan(100);
});

test("external entities: no file is read, no address is called", async () => {
  let calls = 0;
  const server = createServer((_, response) => {
    calls++;
    response.end("fetched from the network");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const secret = join(host.folder, "secret.txt");
  writeFileSync(secret, "read from the disk");
  const xml = (root: string) =>
    `<?xml version="1.0"?><!DOCTYPE r SYSTEM "http://127.0.0.1:${port}/r.dtd" [<!ENTITY file SYSTEM "file://${encodeURI(secret)}"><!ENTITY web SYSTEM "http://127.0.0.1:${port}/x"><!ENTITY % p SYSTEM "http://127.0.0.1:${port}/p">%p;]>${root}`;
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><text>before &file; &web; after</text></svg>';
  const rss = "<rss version='2.0'><channel><title>before &file; &web; after</title></channel></rss>";
  const ends = await Promise.all([
    endOf("entities.xml", xml("<r>before &file; &web; after</r>")),
    endOf("entities.svg", xml(svg)),
    endOf("entities.rss", xml(rss)),
    endOf(
      "entities.docx",
      zipOf(
        members(
          xml("<w:document>&file;&web;</w:document>"),
          "word/document.xml",
          "wordprocessingml.document",
        ),
      ),
    ),
  ]);
  server.close();
  expect(ends[0]?.text).toContain("before");
  for (const { text } of ends) expect(text).not.toMatch(/read from the disk|fetched from the network/);
  expect(calls).toBe(0);
});

test("a PDF with a million objects is read", async () => {
  const { end, text } = await endOf("million.pdf", pdfOfObjects(1_000_000));
  expect([end, text.trim()]).toEqual(["COMPLETED", "One page among a million objects."]);
});

test("a CSV of one line of 1 GB ends with a documented reason", async () => {
  const sparse = (path: string): void => {
    writeFileSync(path, "name,value,".repeat(100_000));
    truncateSync(path, 1024 * MIB);
  };
  expect((await endOf("line.csv", sparse)).end).toBe("DOCUMENT_TOO_LARGE");
});

test("a CSV of one line of ten thousand columns is read", async () => {
  const { end, text } = await endOf("wide.csv", "name,value,".repeat(5_000));
  expect([end, text.split("\t").length]).toEqual(["COMPLETED", 10_000]);
});

function pdfOfObjects(count: number): Buffer {
  const content = "BT /F 12 Tf 72 700 Td (One page among a million objects.) Tj ET";
  const parts = ["%PDF-1.4\n"];
  const offsets: string[] = [];
  let at = 9;
  const add = (object: string): void => {
    offsets.push(`${String(at).padStart(10, "0")} 00000 n \n`);
    const part = `${offsets.length} 0 obj${object}endobj\n`;
    parts.push(part);
    at += part.length;
  };
  add("<</Type/Catalog/Pages 2 0 R>>");
  add("<</Type/Pages/Kids[3 0 R]/Count 1>>");
  add("<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>");
  add(`<</Length ${content.length}>>stream\n${content}\nendstream `);
  add("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>");
  while (offsets.length < count) add(`<</A ${offsets.length} 0 R>>`);
  const xref = `xref\n0 ${count + 1}\n0000000000 65535 f \n${offsets.join("")}`;
  const trailer = `trailer<</Size ${count + 1}/Root 1 0 R>>\nstartxref\n${at}\n%%EOF\n`;
  return Buffer.from(`${parts.join("")}${xref}${trailer}`, "latin1");
}
