import { describe, expect, test } from "vitest";
import { renderMarkdown, renderText } from "../../../src/extract/render.ts";
import { readContent } from "./read-content.ts";

describe("XML", () => {
  const read = (xml: string) => readContent(xml, { mediaType: "application/xml" });

  test("text comes in reading order, titles as headings, records as a table", async () => {
    const xml = `<?xml version="1.0"?><doc><title>T</title><p>One <i>two</i>&nbsp;three</p>
      <rows><row><a>1</a><b>2</b></row><row><a>3</a></row></rows></doc>`;
    await expect(
      read(xml.replace("<row><a>3</a></row>", "<row><a>3</a><b>4</b></row>")),
    ).resolves.toMatchObject({
      blocks: [
        { type: "heading", text: "T" },
        { type: "paragraph", text: "One two three" },
        {
          type: "table",
          rows: [
            [{ text: "a" }, { text: "b" }],
            [{ text: "1" }, { text: "2" }],
            [{ text: "3" }, { text: "4" }],
          ],
        },
      ],
    });
  });

  test("entities that a document declares are never expanded nor fetched", async () => {
    const laughs = Array.from({ length: 9 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join(
      "",
    );
    const document = await read(
      `<!DOCTYPE a [<!ENTITY l0 "ha">${laughs}<!ENTITY file SYSTEM "file:///etc/passwd">]><a>x &l9; &file;</a>`,
    );
    expect(renderText(document.blocks).text).toBe("x &l9; &file;");
    expect(document.warnings.map((warning) => warning.code)).toContain("ENTITY_NOT_EXPANDED");
  });

  test("broken or too deep XML is refused with its reason", async () => {
    await expect(read("<a><b></a>")).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
    await expect(read("<a>".repeat(100_000))).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
  });
});

describe("JATS", () => {
  const article = `<article xmlns:xlink="http://www.w3.org/1999/xlink" article-type="research-article"><front>
    <journal-meta><journal-title-group><journal-title>J</journal-title></journal-title-group></journal-meta>
    <article-meta><article-id pub-id-type="doi">10.1/x</article-id><title-group><article-title>The <italic>Title</italic></article-title></title-group>
    <contrib-group><contrib contrib-type="author"><name><surname>Doe</surname><given-names>Ann</given-names></name></contrib></contrib-group>
    <aff><label>1</label><institution>Uni</institution>, <country>Utopia</country></aff><pub-date><year>2024</year><month>3</month></pub-date>
    <abstract><p>Short.</p></abstract><kwd-group><kwd>k1</kwd></kwd-group></article-meta></front>
    <body><sec><label>1.</label><title>Intro</title><p>Text<xref>1</xref> with H<sub>2</sub>O.</p>
    <table-wrap><label>Table 1.</label><caption><title>Cap.</title></caption><table><thead><tr><th>h</th><th>i</th></tr></thead><tbody><tr><td>a</td><td>b</td></tr></tbody></table></table-wrap>
    <fig><label>Fig 1</label><caption><p>Seen.</p></caption><graphic xlink:href="f1.png"/></fig>
    <sec><title>Deep</title><list list-type="order"><list-item><p>one</p></list-item></list></sec></sec></body>
    <back><ref-list><ref><label>1</label><element-citation><person-group><name><surname>Roe</surname><given-names>B</given-names></name></person-group><article-title>Paper</article-title><source>Mag</source><volume>3</volume><fpage>1</fpage><year>1999</year></element-citation></ref></ref-list></back>
    <sub-article article-type="reply"><front-stub><title-group><article-title>Reply</article-title></title-group></front-stub><body><p>Thanks.</p></body></sub-article></article>`;

  test("an article has title, authors, abstract, sections, tables, captions and references", async () => {
    const document = await readContent(article);
    expect(renderText(document.blocks).text).toBe(
      [
        "The Title",
        "Ann Doe",
        "Uni, Utopia",
        "Abstract",
        "Short.",
        "1. Intro",
        "Text1 with H2O.",
        "Table 1. Cap.\nh\ti\na\tb",
        "Fig 1 Seen.",
        "Deep",
        "1. one",
        "References",
        "1. Roe B. Paper. Mag 3:1 (1999)",
      ].join("\n\n"),
    );
    expect(document.blocks.filter((block) => block.type === "heading").map((block) => block.level)).toEqual([
      1, 2, 2, 3, 2,
    ]);
    expect(document.properties).toMatchObject({
      title: "The Title",
      authors: ["Ann Doe"],
      keywords: ["k1"],
      created: "2024-03",
      extra: { journal: "J", doi: "10.1/x" },
    });
  });

  test("replies within the article are documents of their own", async () => {
    const { children } = await readContent(article);
    expect(children).toMatchObject([
      { name: "Reply", blocks: [{ type: "heading", text: "Reply" }, { text: "Thanks." }] },
    ]);
  });
});

describe("e-mail", () => {
  const head =
    "From: Ann <ann@example.org>\r\nTo: Bob <bob@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\nMIME-Version: 1.0\r\n";
  const plain = `${head}Content-Type: text/plain; charset=utf-8\r\n\r\nHello there.\r\n`;
  const wrap = (parts: string[]) =>
    `${head}Content-Type: multipart/mixed; boundary=b\r\n\r\n${parts.map((part) => `--b\r\n${part}\r\n`).join("")}--b--\r\n`;

  test("headers are properties, the body is the text, and fields come first when asked for", async () => {
    const document = await readContent(plain);
    expect(document.blocks).toEqual([{ type: "paragraph", text: "Hello there." }]);
    expect(document.properties).toMatchObject({
      title: "Grüße",
      authors: ["Ann <ann@example.org>"],
      created: "2024-01-01T10:00:00.000Z",
      extra: { to: ["Bob <bob@example.org>"] },
    });
    const whole = await readContent(plain, { options: { includeHeadersFooters: true } });
    expect(renderText(whole.blocks).text).toContain("Subject: Grüße\nFrom: Ann <ann@example.org>\nTo: Bob");
  });

  test("a message saved as UTF-16 reads the same", async () => {
    const bytes = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(plain, "utf16le")]);
    expect((await readContent(bytes)).blocks).toEqual([{ type: "paragraph", text: "Hello there." }]);
  });

  test("a message of HTML alone is read as HTML", async () => {
    const html = `${head}Content-Type: text/html\r\n\r\n<h1>Big</h1><ul><li>x</ul>\r\n`;
    expect((await readContent(html)).blocks).toMatchObject([
      { type: "heading", text: "Big" },
      { type: "list" },
    ]);
  });

  test("attachments are read below their names, whatever they are declared to be; their facts are listed", async () => {
    const document = await readContent(
      wrap([
        "Content-Type: text/plain\r\n\r\nBody.",
        'Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=n.json\r\n\r\n{"a": 1}',
        `Content-Type: message/rfc822\r\n\r\n${plain}`,
        "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=r.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQ=",
        "Content-Type: image/png\r\nContent-Disposition: inline; filename=logo.png\r\n\r\nx",
      ]),
    );
    expect(renderMarkdown(document.blocks)).toBe(
      "Body.\n\n# n.json\n\n- **a:** 1\n\n# Grüße\n\nHello there.\n",
    );
    expect(document.children).toMatchObject([
      { name: "n.json", mediaType: "application/json", sizeBytes: 9, status: "READ", blockCount: 1 },
      {
        name: "Grüße",
        mediaType: "message/rfc822",
        status: "READ",
        sha256: expect.stringMatching(/^\w{64}$/),
      },
      { name: "r.pdf", mediaType: "application/pdf", status: "FAILED", reason: "DOCUMENT_CORRUPT" },
      { name: "logo.png", status: "SKIPPED" },
    ]);
    expect(document.warnings.map(({ code }) => code)).toEqual(["CHILD_UNREAD"]);
  });

  test("parts within parts without end are refused", async () => {
    let body = "Content-Type: text/plain\r\n\r\nx\r\n";
    for (let i = 0; i < 300; i++)
      body = `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n${body}\r\n--b${i}--\r\n`;
    await expect(readContent(head + body)).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
    const many = wrap(Array.from({ length: 5 }, () => "Content-Type: image/png\r\n\r\nx"));
    await expect(readContent(many, { limits: { maxMembers: 3 } })).rejects.toMatchObject({
      reason: "LIMIT_EXCEEDED",
    });
  });
});
