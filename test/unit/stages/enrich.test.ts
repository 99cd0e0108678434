import { expect, test } from "vitest";
import type { Block } from "../../../src/extract/model.ts";
import { keyPhrases } from "../../../src/stages/enrich/key-phrases.ts";
import { enrichStage } from "../../../src/stages/enrich.ts";
import { after, documentOf } from "./support.ts";

const ENGLISH =
  "Coral reefs protect the coast from storms. The coral reefs of the northern bay have lost half of their living coral since 1998, " +
  "and water temperature is the main reason. Water temperature rose by two degrees. Fishing boats also damage the coral reefs.";
const GERMAN =
  "Die Gemeinde hat beschlossen, die alte Brücke über den Fluss noch in diesem Jahr vollständig zu erneuern.";

const paragraph = (text: string): Block => ({ type: "paragraph", text });
const facts = async (blocks: Block[], changes = {}, raw: unknown = {}) =>
  (await after(enrichStage, documentOf(blocks, changes), raw)).facts;

test("the language comes with its confidence, and is left out where there is too little text", async () => {
  expect(await facts([paragraph(ENGLISH)])).toMatchObject({ language: "en", languageReliable: true });
  const german = await facts([paragraph(GERMAN)]);
  expect(german.language).toBe("de");
  expect(german.languageConfidence).toBeGreaterThan(0);
  expect(german.languageConfidence).toBeLessThanOrEqual(1);
  expect(await facts([paragraph("12 34")])).not.toHaveProperty("language");
});

test("words, pages, tables, headings and images are counted; a Chinese or Japanese sign is a word", async () => {
  const blocks: Block[] = [
    { type: "heading", level: 1, text: "One" },
    paragraph("two three-four don't 3.14 — !"),
    { type: "table", headerRows: 0, rows: [[{ text: "five" }, { text: "six" }]] },
    { type: "image", alt: "" },
    paragraph("東京都"),
  ];
  const pages = [1, 2].map((page) => ({ page, characters: 1, images: 0 }));
  expect(await facts(blocks, { pages })).toMatchObject({
    words: 10,
    pages: 2,
    tables: 1,
    headings: 1,
    images: 1,
  });
});

test("the title is the document's own, else its highest heading, else the file's name", async () => {
  const headings: Block[] = [
    { type: "heading", level: 3, text: "Preface" },
    { type: "heading", level: 1, text: "The  Great\nReef" },
  ];
  expect((await facts(headings, { properties: { title: " Reefs " } })).title).toBe("Reefs");
  expect(await facts(headings, { properties: { title: "untitled" } })).toMatchObject({
    title: "The Great Reef",
    titleSource: "heading",
  });
  expect(await facts([paragraph("x")])).toMatchObject({ title: "paper", titleSource: "filename" });
});

test("author, dates and links are taken over; links in the text are found, each once", async () => {
  const properties = { authors: ["Ada"], created: "2026-01-02T00:00:00Z", links: ["https://a.example/"] };
  const found = await facts(
    [paragraph("See https://b.example/x, https://a.example/ and (https://c.example/y).")],
    { properties },
  );
  expect(found).toMatchObject({
    authors: ["Ada"],
    created: "2026-01-02T00:00:00Z",
    links: ["https://a.example/", "https://b.example/x", "https://c.example/y"],
  });
});

test("key phrases name what a text is about, without stop words, best first and none inside another", () => {
  const phrases = keyPhrases(ENGLISH, "en");
  expect(phrases.slice(0, 2).sort()).toEqual(["coral reefs", "water temperature"]);
  expect(phrases).not.toContain("the");
  expect(keyPhrases("", "en")).toEqual([]);
  expect(keyPhrases("abc ".repeat(500_000), "").length).toBeLessThanOrEqual(15);
});

test("every part can be switched off", async () => {
  const off = {
    language: false,
    counts: false,
    title: false,
    author: false,
    dates: false,
    links: false,
    key_phrases: false,
    reading_time: false,
  };
  expect(await facts([paragraph(ENGLISH)], { facts: { kept: 1 } }, off)).toEqual({ kept: 1 });
  expect((await facts([paragraph("word ".repeat(476))])).readingTimeSeconds).toBe(120);
});
