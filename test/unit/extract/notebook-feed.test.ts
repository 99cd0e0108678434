import { describe, expect, test } from "vitest";
import { renderMarkdown } from "../../../src/extract/render.ts";
import { readContent } from "./read-content.ts";

describe("notebooks", () => {
  const read = (cells: unknown[], metadata: object = {}) =>
    readContent(JSON.stringify({ cells, metadata, nbformat: 4, nbformat_minor: 5 }));

  test("Markdown is Markdown, code has the language of the kernel, outputs are what they show", async () => {
    const { blocks, properties } = await read(
      [
        {
          cell_type: "markdown",
          source: ["# Title\n", "\n", "Some *words* and [a link](https://example.org/)."],
        },
        {
          cell_type: "code",
          source: "print(1)\n",
          outputs: [
            { output_type: "stream", name: "stdout", text: ["\u001b[31m1\u001b[0m\n"] },
            {
              output_type: "execute_result",
              data: {
                "text/plain": "   a",
                "text/html": "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>",
              },
            },
            { output_type: "display_data", data: { "image/png": "iVBORw0", "text/plain": "<Figure>" } },
            { output_type: "error", ename: "ValueError", evalue: "no", traceback: ["long"] },
          ],
        },
        { cell_type: "raw", source: "raw text" },
      ],
      { kernelspec: { language: "python" }, authors: [{ name: "Ann" }] },
    );
    expect(renderMarkdown(blocks)).toBe(
      [
        "# Title",
        "Some *words* and [a link](https://example.org/).",
        "```python\nprint(1)\n```",
        "```\n1\n```",
        "| a | b |\n| --- | --- |\n| 1 | 2 |",
        "```\n<Figure>\n```",
        "```\nValueError: no\n```",
        "```\nraw text\n```\n",
      ].join("\n\n"),
    );
    expect(properties).toEqual({
      title: "Title",
      authors: ["Ann"],
      links: ["https://example.org/"],
      extra: { cells: 3, language: "python" },
    });
  });

  test("notebooks of version 3 are read too", async () => {
    const cells = [
      { cell_type: "heading", level: 2, source: "Old" },
      { cell_type: "code", input: "x = 1", outputs: [] },
    ];
    const { blocks } = await readContent(JSON.stringify({ worksheets: [{ cells }], nbformat: 3 }));
    expect(renderMarkdown(blocks)).toBe("## Old\n\n```\nx = 1\n```\n");
  });

  test("cells of any other shape do no harm; no cells at all are a fault", async () => {
    const { blocks } = await read([
      null,
      1,
      [],
      { cell_type: "code", source: 5, outputs: [null, { data: 3 }] },
    ]);
    expect(blocks).toEqual([]);
    await expect(
      readContent('{"cells": 3, "nbformat": 4}', { mediaType: "application/x-ipynb+json" }),
    ).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
  });
});

describe("feeds", () => {
  test("entries of RSS have title, link, date, author and their whole content", async () => {
    const rss = `<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
      <title>News</title><description>All of it</description><language>en</language><lastBuildDate>Mon, 01 Jan 2024 00:00:00 GMT</lastBuildDate>
      <item><title>One</title><link>https://example.org/1</link><pubDate>Mon, 01 Jan 2024 10:00:00 GMT</pubDate><dc:creator>Ann</dc:creator>
        <description>short</description><content:encoded><![CDATA[<h2>Sub</h2><p>Hello <b>you</b></p>]]></content:encoded></item>
      <item><title>Two &amp; more</title><description>&lt;p&gt;Escaped&lt;/p&gt;</description></item></channel></rss>`;
    const { blocks, properties } = await readContent(rss);
    expect(renderMarkdown(blocks)).toBe(
      [
        "# News",
        "All of it",
        "## [One](https://example.org/1)",
        "Mon, 01 Jan 2024 10:00:00 GMT · Ann",
        "#### Sub",
        "Hello **you**",
        "## Two & more",
        "Escaped\n",
      ].join("\n\n"),
    );
    expect(properties).toEqual({
      title: "News",
      modified: "2024-01-01T00:00:00.000Z",
      links: ["https://example.org/1"],
      extra: { entries: 2, language: "en" },
    });
  });

  test("entries of Atom hold XHTML or text, those of RDF stand beside their channel", async () => {
    const atom = `<feed xmlns="http://www.w3.org/2005/Atom"><title>Blog</title><author><name>Ben</name></author>
      <entry><title>A</title><link rel="self" href="https://example.org/self"/><link href="https://example.org/a"/><published>2024-01-02</published>
        <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>x &lt; y<br/>z</p><ul><li>item</li></ul></div></content></entry>
      <entry><title>B</title><summary type="text">a &lt;b&gt; c</summary></entry></feed>`;
    const { blocks, properties } = await readContent(atom);
    expect(renderMarkdown(blocks)).toBe(
      "# Blog\n\n## [A](https://example.org/a)\n\n2024-01-02\n\nx < y  \nz\n\n- item\n\n## B\n\na \\<b> c\n",
    );
    expect(properties.authors).toEqual(["Ben"]);
    const rdf = `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><channel><title>R</title></channel><item><title>I</title></item></rdf:RDF>`;
    expect(renderMarkdown((await readContent(rdf)).blocks)).toBe("# R\n\n## I\n");
  });

  test("a feed that is cut off is refused", async () => {
    await expect(
      readContent("<rss><channel><title>x", { mediaType: "application/rss+xml" }),
    ).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
  });
});
