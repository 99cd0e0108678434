import { describe, expect, test } from "vitest";
import { lacksText, type TextLayer } from "../../../src/extract/formats/pdf/text-layer.ts";
import { OcrMemoryError } from "../../../src/extract/ocr/engine.ts";
import { turned } from "../../../src/extract/ocr/orientation.ts";
import { recognizePicture } from "../../../src/extract/ocr/recognize.ts";
import { readWords } from "../../../src/extract/ocr/words.ts";

describe("whether a page of a PDF is read from its picture", () => {
  const page: TextLayer = { characters: 2_000, unknown: 0, images: 0, imageShare: 0, paths: 0 };

  test.each<[wanted: boolean, what: string, layer: Partial<TextLayer>]>([
    [false, "text", {}],
    [false, "an empty page", { characters: 0 }],
    [true, "an image alone", { characters: 0, images: 1, imageShare: 0.9 }],
    [true, "a small image alone", { characters: 0, images: 1, imageShare: 0.01 }],
    [true, "text drawn as lines", { characters: 0, paths: 400 }],
    [false, "text over an image", { images: 1, imageShare: 1 }],
    [true, "a stamp on a scan", { characters: 99, images: 1, imageShare: 0.5 }],
    [false, "a line above a picture", { characters: 99, images: 1, imageShare: 0.49 }],
    [false, "a short text on a picture", { characters: 100, images: 1, imageShare: 1 }],
    [true, "signs without a meaning", { unknown: 601 }],
    [false, "some bullets without a meaning", { unknown: 600 }],
  ])("%s: %s", (wanted, _, layer) => {
    expect(lacksText({ ...page, ...layer })).toBe(wanted);
  });
});

describe("reading words", () => {
  const row = (level: number, confidence: number, text: string) =>
    `${level}\t1\t1\t1\t1\t1\t0\t0\t9\t9\t${confidence}\t${text}`;

  test("words are joined by line, lines by paragraph; a divided word stays divided", () => {
    const tsv = [
      row(1, -1, ""),
      row(2, -1, ""),
      row(3, -1, ""),
      row(4, -1, ""),
      row(5, 90, "A"),
      row(5, 80, "docu-"),
      row(4, -1, ""),
      row(5, 70, "ment."),
      row(4, -1, ""),
      row(5, 60, "Next"),
      row(3, -1, ""),
      row(4, -1, ""),
      row(5, 50, "Other"),
      row(5, 0, " "),
    ].join("\n");
    expect(readWords(tsv, 7)).toEqual({
      blocks: [
        { type: "paragraph", text: "A docu-\nment. Next", page: 7 },
        { type: "paragraph", text: "Other", page: 7 },
      ],
      characters: 20,
      confidence: 0.7,
    });
  });

  test("a page without words has no confidence", () => {
    expect(readWords(row(1, -1, ""), 1)).toEqual({ blocks: [], characters: 0 });
  });
});

test("four quarter turns are none, mirrored or not", () => {
  expect([0, 1, 2, 3, 4].map((turns) => turned(1, turns))).toEqual([1, 6, 3, 8, 1]);
  expect([0, 1, 2, 3, 4].map((turns) => turned(2, turns))).toEqual([2, 7, 4, 5, 2]);
  expect(turned(8, 1)).toBe(1);
});

describe("a picture", () => {
  const pgm = (width: number, height: number) =>
    Buffer.concat([Buffer.from(`P5\n${width} ${height}\n255\n`), Buffer.alloc(width * height, 255)]);
  const task = { page: 1, orientation: 1, dpi: 0, languages: [], onProgress: () => {} };

  test("that needs more memory than the recognition has is an error, not an empty text; the next one is read", async () => {
    const much = { ...task, picture: pgm(9_000, 9_000), maxPixels: 1_000_000 };
    await expect(recognizePicture(much)).rejects.toThrow(OcrMemoryError);
    const little = { ...much, picture: pgm(100, 100) };
    await expect(recognizePicture(little)).resolves.toEqual({ blocks: [], characters: 0 });
  });

  test("that cannot be decoded gives nothing", async () => {
    await expect(
      recognizePicture({ ...task, picture: Buffer.from("no picture"), maxPixels: 1_000_000 }),
    ).resolves.toBeUndefined();
  });
});
