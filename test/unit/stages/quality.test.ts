import fc from "fast-check";
import { expect, test } from "vitest";
import type { Block, PageFacts } from "../../../src/extract/model.ts";
import { scoreDocument } from "../../../src/stages/quality/score.ts";
import { isPlausible } from "../../../src/stages/quality/text-quality.ts";
import { qualityStage } from "../../../src/stages/quality.ts";
import type { WorkingDocument } from "../../../src/stages/stage.ts";
import { after, anyText, documentOf } from "./support.ts";

const PROSE =
  "The committee met in March and reviewed the figures for the previous year. Sales had grown by 12% in most regions, " +
  "while the cost of transport fell. Members agreed that the new warehouse in Rotterdam should open before winter.";

const pagesOf = (texts: string[], images = 0): { blocks: Block[]; pages: PageFacts[] } => ({
  blocks: texts.map((text, i) => ({ type: "paragraph", text, page: i + 1 })),
  pages: texts.map((text, i) => ({ page: i + 1, characters: text.length, images })),
});
const scoreOf = (document: WorkingDocument) => scoreDocument(document).score;
const ofPages = (texts: string[], changes: Partial<WorkingDocument> = {}) => {
  const { blocks, pages } = pagesOf(texts);
  return documentOf(blocks, { pages, ...changes });
};

const anyPages = fc.array(fc.oneof(anyText, fc.constant(PROSE)), { minLength: 1, maxLength: 5 });
const broken = fc.constantFrom("\uFFFD", "\uE000", "\u{F0001}");

test("replacing characters by broken ones never raises the score", () => {
  fc.assert(
    fc.property(
      anyPages,
      broken,
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      (texts, sign, dice) => {
        const corrupt = (text: string) =>
          [...text].map((char) => (dice.next().value! < 0.2 ? sign : char)).join("");
        expect(scoreOf(ofPages(texts.map(corrupt)))).toBeLessThanOrEqual(scoreOf(ofPages(texts)));
      },
    ),
    { numRuns: 1_000 },
  );
});

test("losing the text of a page never raises the score", () => {
  fc.assert(
    fc.property(anyPages, fc.nat(), (texts, at) => {
      const lost = texts.map((text, i) => (i === at % texts.length ? "" : text));
      expect(scoreOf(ofPages(lost))).toBeLessThanOrEqual(scoreOf(ofPages(texts)));
    }),
    { numRuns: 500 },
  );
});

test("a part that was skipped never raises the score, with or without OCR", () => {
  fc.assert(
    fc.property(anyPages, fc.double({ min: 0, max: 1, noNaN: true }), (texts, ocrConfidence) => {
      const whole = ofPages(texts);
      const warnings = [{ code: "PART_SKIPPED", message: "An image could not be read." }];
      expect(scoreOf({ ...whole, warnings })).toBeLessThanOrEqual(scoreOf(whole));
      const unsure = { ...whole, pages: whole.pages!.map((page) => ({ ...page, ocrConfidence })) };
      const surer = {
        ...whole,
        pages: whole.pages!.map((page) => ({ ...page, ocrConfidence: (1 + ocrConfidence) / 2 })),
      };
      expect(scoreOf(unsure)).toBeLessThanOrEqual(scoreOf(surer));
    }),
  );
});

test("sound prose scores 1 without reasons, in every format", () => {
  expect(scoreDocument(ofPages([PROSE, PROSE]))).toMatchObject({ score: 1, reasons: [] });
  const noPages = documentOf([{ type: "paragraph", text: PROSE }], { mediaType: "text/plain" });
  expect(scoreDocument(noPages)).toMatchObject({ score: 1, reasons: [] });
});

test("pages without text are counted in words, and cost their share", () => {
  const texts = Array.from({ length: 12 }, (_, i) => ([2, 5, 6].includes(i) ? "" : PROSE));
  const quality = scoreDocument(ofPages(texts));
  expect(quality.score).toBe(0.75);
  expect(quality.reasons).toEqual(["3 of 12 pages have no text: 3, 6, 7."]);
});

test("formulas and code are judged by their signs only", () => {
  const formula = (text: string): Block[] => [
    { type: "paragraph", text: PROSE },
    { type: "formula", text },
  ];
  const text = "xqzv = frqx(jkqx) vbnmx qqkx";
  expect(scoreOf(documentOf(formula(text)))).toBe(1);
  expect(scoreOf(documentOf(formula(text.replaceAll("q", "\uFFFD"))))).toBeLessThan(1);
  expect(scoreOf(documentOf([{ type: "paragraph", text }]))).toBeLessThan(1);
});

test("an empty slide is no loss, a slide that is only an image is one", () => {
  const { blocks } = pagesOf([PROSE]);
  const mediaType = "application/vnd.openxmlformats-officedocument.presentationml.presentation";
  const slides = (images: number) => [
    { page: 1, characters: PROSE.length, images: 0 },
    { page: 2, characters: 0, images },
  ];
  expect(scoreOf(documentOf(blocks, { mediaType, pages: slides(0) }))).toBe(1);
  expect(scoreOf(documentOf(blocks, { mediaType, pages: slides(1) }))).toBe(0.5);
});

test("shuffled letters, mojibake, glyph names and no text at all score low", () => {
  const shuffled = [...PROSE]
    .map((_, i) => PROSE[(i * 89) % PROSE.length])
    .join("")
    .replace(/ /g, "x")
    .replace(/(.{8})/g, "$1 ");
  const mojibake = "Ã¼ber die GrÃ¶Ã\u009Fe fÃ¼r MÃ¤rkte gehÃ¶rt Ã¤hnlich";
  const glyphs = "(cid:12)(cid:4)(cid:77) (cid:3)(cid:9) (cid:12)(cid:4)";
  for (const text of [shuffled, mojibake, glyphs]) expect(scoreOf(ofPages([text])), text).toBeLessThan(0.95);
  expect(scoreOf(ofPages([glyphs]))).toBeLessThan(0.7);
  expect(scoreDocument(ofPages([""]))).toMatchObject({ score: 0, reasons: ["The document has no text."] });
  expect(scoreOf(ofPages(["\uFFFD\uFFFD\uFFFD"]))).toBe(0);
});

test.each([
  "Donaudampfschifffahrtsgesellschaft,",
  "Rechtschreibung",
  "Angstschweiß",
  "strength",
  "rhythm",
  "Łódź",
  "naïve",
  "COVID-19",
  "https://example.com/a?b=1",
  "(HTML)",
  "kg",
  "3.14",
  "Привет",
  "взгляд",
  "Αθήνα",
  "東京都",
  "مرحبا",
  "don't",
  "Szczęście",
  "được",
  "O’Neill",
])("%s is plausible", (word) => {
  expect(isPlausible(word)).toBe(true);
});

test.each(["xqzvkj", "GrÃ¶Ã", "te\uFFFDt", "qwtzpsdf", "\uE001\uE002", "(cid:31)"])(
  "%s is not plausible",
  (word) => {
    expect(isPlausible(word)).toBe(false);
  },
);

test("below the minimum the stage flags or fails, as wanted", async () => {
  const poor = ofPages([PROSE, ""]);
  const flagged = await after(qualityStage, poor, { minimum: 0.8 });
  expect(flagged.warnings).toMatchObject([{ code: "QUALITY_TOO_LOW" }]);
  const failing = after(qualityStage, poor, { minimum: 0.8, on_low: "LOW_QUALITY_ACTION_FAIL" });
  await expect(failing).rejects.toMatchObject({ reason: "QUALITY_TOO_LOW", retryable: false });
  expect((await after(qualityStage, poor, { minimum: 0.5 })).warnings).toEqual([]);
});

test("weights change the score; unknown parts and bad bounds are refused together", async () => {
  const poor = ofPages([PROSE, ""]);
  expect((await after(qualityStage, poor, { weights: { coverage: 2 } })).quality!.score).toBe(0.25);
  expect((await after(qualityStage, poor, { weights: { coverage: 0 } })).quality!.score).toBe(1);
  expect(() => qualityStage.parseOptions({ weights: { style: 1 }, minimum: 2 })).toThrow(
    expect.objectContaining({
      faults: [
        expect.objectContaining({ field: "weights.style" }),
        expect.objectContaining({ field: "minimum" }),
      ],
    }),
  );
});
