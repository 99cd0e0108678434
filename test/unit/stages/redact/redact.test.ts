import fc from "fast-check";
import { expect, test } from "vitest";
import type { Block } from "../../../../src/extract/model.ts";
import { renderMarkdown, renderText } from "../../../../src/extract/render.ts";
import { chunkStage } from "../../../../src/stages/chunk.ts";
import { enrichStage } from "../../../../src/stages/enrich.ts";
import { resultMetadata } from "../../../../src/stages/host/result-metadata.ts";
import { redactStage } from "../../../../src/stages/redact.ts";
import type { WorkingDocument } from "../../../../src/stages/stage.ts";
import { after, anyBlocks, documentOf } from "../support.ts";
import { blockWith, FORMS, harmless, SECRETS } from "./seeds.ts";

const redact = (document: WorkingDocument, raw: unknown = {}) => after(redactStage, document, raw);
const paragraph = (text: string, markdown?: string): Block => ({
  type: "paragraph",
  text,
  ...(markdown === undefined ? {} : { markdown }),
});
const textOf = async (text: string, raw: unknown = {}) => {
  const { blocks = [] } = await redact(documentOf([paragraph(text)]), raw);
  return renderText(blocks).text;
};

/** All that a reader of the result can see. */
const shown = (document: WorkingDocument): string =>
  [
    renderText(document.blocks ?? []).text,
    renderMarkdown(document.blocks ?? []),
    JSON.stringify(document),
    JSON.stringify(resultMetadata(document)),
  ].join("\n");

/** The letters and digits alone, so that a secret is seen however it is broken and escaped. */
const bare = (text: string): string =>
  text
    .replace(/\\n/g, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, "");

const anySecret = fc.oneof(
  ...Object.entries(SECRETS).map(([kind, secret]) => secret.map((text) => ({ kind, text }))),
);

test("no secret survives anywhere that a reader can see, and it is counted by its kind", async () => {
  await fc.assert(
    fc.asyncProperty(
      anySecret,
      harmless,
      harmless,
      fc.nat(FORMS - 1),
      fc.constantFrom(" ", "\n", ", ", " („"),
      async ({ kind, text }, before, behind, form, edge) => {
        const seeded = `${before}${edge}${text}${edge === " („" ? "“) " : " ; "}${behind}`;
        const document = documentOf([paragraph("first"), blockWith(seeded, form)], {
          properties: {
            title: seeded,
            authors: [seeded],
            links: [`https://example.org/?q=${encodeURIComponent(text)}`],
            extra: { [text]: { deep: [seeded] } },
          },
          facts: { title: seeded },
          children: [
            {
              name: `${text}.pdf`,
              mediaType: "text/plain",
              sizeBytes: 1,
              blocks: [blockWith(seeded, form + 1)],
              skipped: seeded,
            },
          ],
          warnings: [{ code: "PART_SKIPPED", message: seeded }],
          source: { filename: `${text}.txt`, declaredMediaType: "", sizeBytes: 1, sha256: "" },
        });
        const done = await redact(await after(chunkStage, document, { max_tokens: 16, overlap: 0 }));
        expect(bare(shown(done))).not.toContain(bare(text));
        expect((done.facts.redactions as { [kind: string]: number })[kind]).toBeGreaterThan(0);
        expect(shown(done)).toContain("[redacted]");
      },
    ),
    { numRuns: 120 },
  );
});

test("text without secrets is unchanged, with its Markdown and everything else", async () => {
  await fc.assert(
    fc.asyncProperty(harmless, anyBlocks, fc.nat(FORMS - 1), async (text, blocks, form) => {
      const digitless = JSON.parse(
        JSON.stringify(blocks).replaceAll("3.14", "pi").replace(/@/g, ""),
      ) as Block[];
      const document = documentOf([...digitless, blockWith(text, form)], { properties: { title: text } });
      const done = await redact(document);
      expect(done.facts.redactions).toEqual({ email: 0, phone: 0, card: 0, iban: 0 });
      expect({ ...done, facts: {} }).toEqual(document);
    }),
    { numRuns: 150 },
  );
});

const anyOptions = fc.record({
  patterns: fc.subarray(["\\w+", ".", "(?s).+", "a*b", "\\s+", "[0-9]{3}", "redacted", "^first", "\\["]),
  replacement: fc.constantFrom("[redacted]", "", "x@example.org", "b", "aab", "- -", "4111111111111111"),
});

test("redacting twice changes nothing more, whatever the patterns and the replacement are", async () => {
  const seeded = fc.oneof(
    anySecret.map(({ text }) => text),
    fc.constantFrom("ab", "aaabbb", "first", "[", "42 123"),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(seeded, { maxLength: 6 }),
      fc.nat(FORMS - 1),
      anyOptions,
      async (texts, form, options) => {
        const raw = { kinds: ["EMAIL", "CARD", "PHONE", "IBAN"], ...options };
        const text = texts.join(" ");
        const document = documentOf([blockWith(text, form)], { properties: { title: text } });
        const once = await redact(document, raw);
        const twice = await redact(once, raw);
        expect({ ...twice, facts: {} }).toEqual({ ...once, facts: {} });
      },
    ),
    { numRuns: 150 },
  );
});

test("a replacement of nothing but space is refused", () => {
  expect(() => redactStage.parseOptions({ replacement: " \t" })).toThrow(
    "replacement: must be empty, or hold more than space",
  );
  expect(redactStage.parseOptions({ replacement: "" })).toMatchObject({ replacement: "" });
});

test("chunks that were cut before stay slices of the text, in order, and hold no secret", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          anySecret.map(({ text }) => text),
          harmless,
        ),
        { maxLength: 8 },
      ),
      anyBlocks,
      fc.constantFrom("[redacted]", "", "a much longer text that stands for what was there before"),
      fc.constantFrom("tokens", "sentences", "headings"),
      async (texts, others, replacement, strategy) => {
        const blocks = [...others, ...texts.map((text, index) => blockWith(text, index))];
        const cut = await after(chunkStage, documentOf(blocks), { max_tokens: 16, overlap: 0, strategy });
        const done = await redact(cut, { replacement });
        const { text } = renderText(done.blocks ?? []);
        const chunks = done.chunks ?? [];
        for (const [index, chunk] of chunks.entries()) {
          expect(chunk.index).toBe(index);
          expect(text.slice(chunk.start, chunk.end)).toBe(chunk.text);
        }
        expect(chunks.map((chunk) => chunk.text).join("")).toBe(text);
        if (texts.length > 0 || replacement === "") return;
        expect(chunks).toEqual(cut.chunks);
      },
    ),
    { numRuns: 100 },
  );
});

test.each([
  ["06 12 34 56 78 06 98 76 54 32", "[redacted] [redacted]"],
  ["06.12.34.56.78.06.98.76.54.32", "[redacted].[redacted]"],
  ["Tel: 030 1234567 030 7654321", "Tel: [redacted] [redacted]"],
  ["Tel. 0171 234567 0172 345678", "Tel. [redacted] [redacted]"],
  ["0171-234567-0172-345678 / (0173) 456789", "[redacted]-[redacted] / [redacted]"],
  ["0171 23456 07 0172 3456789", "[redacted] [redacted]"],
  ["0171 23456 07 0172 34 56 78 90", "[redacted] [redacted]"],
  ["Tél. 01 02 03 04 05 06 98 76 54 32", "Tél. [redacted]"],
  ["+33 1 02 03 04 05 06 07 08 09 10", "[redacted]"],
  ["+49 30 12345 030 54321", "[redacted]"],
  ["+49 30 1234567 0049 30 7654321 030 1234567", "[redacted] [redacted] [redacted]"],
  ["+1234567 030 1234567", "[redacted]"],
  ["+41 44 668 18 00 044 668 18 00", "[redacted] [redacted]"],
  ["Tel. 212 555 1234 212 555 9876 1-212-555-9877", "Tel. [redacted] [redacted] [redacted]"],
  ["Tel: 030 12345 030 54321 030 4321 and 030 4321", "Tel: [redacted] and 030 4321"],
])("numbers of phones that stand side by side go as a whole: %s", async (text, expected) => {
  expect(await textOf(text)).toBe(expected);
});

test.each([
  "4111,1111,1111,1111",
  "4111, 1111, 1111, 1111",
  "4111_1111_1111_1111",
  "IBANDE89370400440532013000",
  "ibanDE89 3704 0044 0532 0130 00",
])("cards and IBANs are found with any usual sign between, and right behind a word: %s", async (text) => {
  expect(await textOf(`a ${text} b`)).toBe(`a ${/^iban/i.exec(text)?.[0] ?? ""}[redacted] b`);
});

test("what emphasis, a line, a page or a bullet divides is found", async () => {
  const blocks: Block[] = [
    paragraph("write john@example.org now", "write john**@example**.org now"),
    paragraph("card 4111 1111"),
    { type: "page_break", page: 1 },
    paragraph("1111 1111 expired"),
    paragraph("to nobody@\nexample.org"),
    { type: "list", ordered: false, items: [{ level: 0, marker: "+49", text: "30 1234567" }] },
    { type: "table", headerRows: 0, rows: [[{ text: "IBAN\nDE89 3704\n0044 0532   0130 00" }]] },
  ];
  const done = await redact(documentOf(blocks));
  expect(renderText(done.blocks ?? []).text).toBe(
    [
      "write [redacted] now",
      "card [redacted]",
      " expired",
      "to [redacted]",
      "[redacted]",
      "IBAN [redacted]",
    ].join("\n\n"),
  );
  expect(done.facts.redactions).toEqual({ email: 2, phone: 1, card: 1, iban: 1 });
  expect(renderMarkdown(done.blocks ?? [])).toContain("write \\[redacted\\] now");
});

test("a link goes whose target holds a secret, others and emphasis stay", async () => {
  const blocks: Block[] = [
    paragraph("Write us", "[Write us](mailto:john%40example.org)"),
    paragraph("Call us", "[Call us](tel:+49-30-1234567)"),
    paragraph("Read us", "[**Read** us](https://example.org/about)"),
    { type: "image", alt: "us", target: "https://example.org/?to=john%2540example.org&m=a@example.org" },
    { type: "image", alt: "us", target: "https://example.org/us.png" },
  ];
  const done = await redact(documentOf(blocks, { properties: { links: ["mailto:a@example.org"] } }));
  expect(renderMarkdown(done.blocks ?? [])).toBe(
    "Write us\n\nCall us\n\n[**Read** us](https://example.org/about)\n\n![us]()\n\n![us](https://example.org/us.png)\n".replace(
      "![us]()",
      "![us]()",
    ),
  );
  expect(done.properties.links).toEqual(["mailto:[redacted]"]);
});

test("only the kinds that are named are looked for, and all where none is, also beside patterns", async () => {
  const text = "a@example.org, 4111 1111 1111 1111, order-42";
  expect(await textOf(text, { kinds: ["REDACT_KIND_CARD"] })).toBe("a@example.org, [redacted], order-42");
  expect(await textOf(text, { patterns: ["order-\\d+"] })).toBe("[redacted], [redacted], [redacted]");
  expect(await textOf(text, { kinds: ["email"], patterns: ["order-\\d+"], replacement: "" })).toBe(
    ", 4111 1111 1111 1111, ",
  );
  expect(() => redactStage.parseOptions({ kinds: ["names"] })).toThrow();
});

test("key phrases and facts that came from a secret go with it, and no value is in the counts", async () => {
  const text =
    "Mail jane.doe@acme.example about coral reefs. Coral reefs and jane.doe@acme.example. Coral reefs.";
  const enriched = await after(enrichStage, documentOf([paragraph(text)]));
  expect(JSON.stringify(enriched.facts.keyPhrases)).toContain("acme");
  const done = await redact(enriched);
  expect(shown(done)).not.toMatch(/jane|acme/i);
  expect(done.facts.keyPhrases).toContain("coral reefs");
  expect(done.facts.redactions).toEqual({ email: 2, phone: 0, card: 0, iban: 0 });
});

test("what is found does not depend on where it stands in a long text", async () => {
  const secrets =
    "a.b@mail.example.org, DE89 3704 0044 0532 0130 00, 4111 1111 1111 1111, +49 30 123 45 67, Tel. 12345";
  const expected = "[redacted], [redacted], [redacted], [redacted], Tel. [redacted]";
  for (let before = 128 * 1024 - secrets.length - 2; before < 128 * 1024 + 4; before += 3) {
    expect((await textOf(`${"x ".repeat(before / 2)}${secrets}`)).slice(-expected.length)).toBe(expected);
  }
});

test("hostile text takes time in proportion to its length: with its square each of these would take minutes", async () => {
  const size = 100_000;
  const hostile = [
    "1",
    "1 ",
    "4111 ",
    "@",
    "a@",
    "a@b.",
    "+1",
    "DE89 ",
    "d1-",
    "(0",
    "\u00AD",
    "1\u00AD",
    '"@',
    "%40",
    " \n",
    "tel:1",
  ];
  const raw = { kinds: ["EMAIL", "PHONE", "CARD", "IBAN"], patterns: ["(a+)+$", "(\\d+-)+x"] };
  for (const text of hostile) {
    const { blocks = [] } = await redact(documentOf([paragraph(text.repeat(size / text.length))]), raw);
    expect(blocks).toHaveLength(1);
  }
});
