import { readdirSync, readFileSync } from "node:fs";
import { crc32, deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Block } from "../../../src/extract/model.ts";
import { type ReadHow, readContent } from "./read-content.ts";

const FIXTURES = new URL("../../fixtures/images/", import.meta.url);
const PICTURES = readdirSync(FIXTURES).filter((name) => !name.endsWith(".md"));
const ENGLISH = "The harbour handled four thousand ships, more than in any year before.";
const GERMAN = "Größere Gebühren für die Straße über den nördlichen Kai müssen geprüft werden.";

const fixture = (name: string) => readFileSync(new URL(name, FIXTURES));
const read = (name: string, how: ReadHow = {}) => readContent(fixture(name), { filename: name, ...how });
const textOf = (blocks: readonly Block[]) =>
  blocks.map((block) => (block.type === "paragraph" ? block.text : `<${block.type}>`)).join(" ");

describe("text in pictures", () => {
  test.each(PICTURES.filter((name) => !/german|two-pages|upside/.test(name)))(
    "%s is read word for word, with its confidence",
    async (name) => {
      const { blocks, pages, warnings } = await read(name);
      expect(textOf(blocks)).toBe(ENGLISH);
      expect(pages).toEqual([{ page: 1, characters: 59, images: 1, ocrConfidence: expect.any(Number) }]);
      expect(pages?.[0]?.ocrConfidence).toBeGreaterThan(0.9);
      expect(warnings).toEqual([]);
    },
  );

  test("German is read with its umlauts when the language is chosen", async () => {
    const { blocks } = await read("german.png", { options: { languages: ["deu"] } });
    expect(textOf(blocks)).toBe(GERMAN);
  });

  test("every page of a TIFF is read, up to the page limit, in several languages", async () => {
    const options = { languages: ["deu", "eng"] };
    const both = await read("two-pages-g4.tif", { options });
    expect(textOf(both.blocks)).toBe(`${ENGLISH} <page_break> ${GERMAN}`);
    expect(both.properties.pageCount).toBe(2);
    const one = await read("two-pages-g4.tif", { options: { ...options, maxPages: 1 } });
    expect(textOf(one.blocks)).toBe(ENGLISH);
    expect(one.warnings).toMatchObject([{ code: "PAGE_LIMIT_REACHED" }]);
  });

  test("a page that stands on its head is turned", async () => {
    const { blocks, pages } = await read("upside-down.png");
    expect(textOf(blocks)).toContain("four thousand ships, more than in any year before.");
    expect(pages?.[0]?.ocrConfidence).toBeGreaterThan(0.85);
  });

  test("a picture without text gives an empty text and says so", async () => {
    const blank = png({ width: 400, height: 300 });
    const { blocks, pages, warnings } = await readContent(blank);
    expect(blocks).toEqual([]);
    expect(pages).toEqual([{ page: 1, characters: 0, images: 1 }]);
    expect(warnings).toMatchObject([{ code: "PAGE_WITHOUT_TEXT", page: 1 }]);
  });

  test("with ocr = never pictures are not decoded: an empty text, and a warning for each page", async () => {
    const { blocks, pages, warnings } = await read("two-pages-g4.tif", { options: { ocr: "never" } });
    expect(blocks).toEqual([{ type: "page_break", page: 1 }]);
    expect(pages).toEqual([1, 2].map((page) => ({ page, characters: 0, images: 1 })));
    expect(warnings.map(({ code }) => code)).toEqual(["PAGE_WITHOUT_TEXT", "PAGE_WITHOUT_TEXT"]);
    const huge = png({ width: 60_000, height: 60_000 });
    await expect(readContent(huge, { options: { ocr: "never" } })).resolves.toMatchObject({ blocks: [] });
  });

  test("a language that is not installed is named, with those that are", async () => {
    await expect(read("one-bit.png", { options: { languages: ["tlh"] } })).rejects.toThrow(
      /language tlh is not installed.*deu, eng, fra, ita, spa/,
    );
  });

  test.each(PICTURES)("%s is corrupt when its second half is missing", async (name) => {
    const bytes = fixture(name);
    await expect(readContent(bytes.subarray(0, bytes.length / 2), { filename: name })).rejects.toMatchObject({
      reason: "DOCUMENT_CORRUPT",
    });
  });

  test("a TIFF whose directories form a ring is corrupt", async () => {
    const bytes = fixture("two-pages-g4.tif");
    const first = bytes.readUInt32LE(4);
    const second = first + 2 + 12 * bytes.readUInt16LE(first);
    const end = bytes.readUInt32LE(second);
    bytes.writeUInt32LE(first, end + 2 + 12 * bytes.readUInt16LE(end));
    await expect(readContent(bytes)).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
  });

  test("one damaged page of a TIFF costs that page only", async () => {
    const bytes = fixture("two-pages-g4.tif");
    // The strips of the second page lie between the directories: make its height more than they hold.
    const directory = bytes.readUInt32LE(
      bytes.readUInt32LE(4) + 2 + 12 * bytes.readUInt16LE(bytes.readUInt32LE(4)),
    );
    setTag(bytes, directory, 273, bytes.length - 1);
    const { blocks, warnings } = await readContent(bytes);
    expect(textOf(blocks)).toBe(`${ENGLISH} <page_break>`);
    expect(warnings).toMatchObject([{ code: "PART_SKIPPED", page: 2 }]);
  });
});

describe("limits by the header", () => {
  const SIDE = 60_000;
  const bombs: [type: string, bytes: Buffer][] = [
    ["image/png", png({ width: SIDE, height: SIDE })],
    [
      "image/jpeg",
      withSize("progressive.jpg", jpegSizeAt, (bytes, at) => {
        bytes.writeUInt16BE(SIDE, at);
        bytes.writeUInt16BE(SIDE, at + 2);
      }),
    ],
    [
      "image/tiff",
      withSize(
        "two-pages-g4.tif",
        (bytes) => bytes.readUInt32LE(4),
        (bytes, at) => {
          setTag(bytes, at, 256, SIDE);
          setTag(bytes, at, 257, SIDE);
        },
      ),
    ],
    [
      "image/tiff",
      withSize(
        "deflate.tif",
        (bytes) => bytes.readUInt32LE(4),
        (bytes, at) => {
          setTag(bytes, at, 256, SIDE);
          setTag(bytes, at, 257, SIDE);
        },
      ),
    ],
    ["image/webp", webpCanvas(SIDE, SIDE)],
    [
      "image/gif",
      withSize(
        "first.gif",
        () => 6,
        (bytes, at) => {
          bytes.writeUInt16LE(SIDE, at);
          bytes.writeUInt16LE(SIDE, at + 2);
        },
      ),
    ],
    [
      "image/bmp",
      withSize(
        "one-bit.bmp",
        () => 18,
        (bytes, at) => {
          bytes.writeInt32LE(SIDE, at);
          bytes.writeInt32LE(SIDE, at + 4);
        },
      ),
    ],
  ];

  test.each(bombs)(
    "%s of 60,000 × 60,000 pixels is too large, before anything is decoded",
    async (mediaType, bytes) => {
      const before = process.memoryUsage().rss;
      await expect(readContent(bytes)).rejects.toMatchObject({
        reason: "DOCUMENT_TOO_LARGE",
        message: expect.stringContaining("60000 × 60000 pixels; at most 40000000"),
      });
      expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
      await expect(readContent(bytes, { mediaType })).rejects.toMatchObject({ reason: "DOCUMENT_TOO_LARGE" });
    },
  );

  test.each([
    ["PNG", png({ width: 0, height: 10 })],
    ["JPEG", withSize("progressive.jpg", jpegSizeAt, (bytes, at) => bytes.writeUInt32BE(0, at))],
    [
      "TIFF",
      withSize(
        "two-pages-g4.tif",
        (bytes) => bytes.readUInt32LE(4),
        (bytes, at) => setTag(bytes, at, 257, 0),
      ),
    ],
    [
      "BMP",
      withSize(
        "one-bit.bmp",
        () => 22,
        (bytes, at) => bytes.writeInt32LE(0, at),
      ),
    ],
  ])("a %s without pixels is corrupt", async (_, bytes) => {
    await expect(readContent(bytes)).rejects.toMatchObject({ reason: "DOCUMENT_CORRUPT" });
  });

  test("the limit is the one that is set", async () => {
    const limits = { maxImagePixels: 10_000 };
    await expect(read("one-bit.png", { limits })).rejects.toMatchObject({ reason: "DOCUMENT_TOO_LARGE" });
  });
});

/** An all-white grey picture of one bit; its pixels are left out where they would fill the memory. */
function png({ width, height }: { width: number; height: number }): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([1, 0, 0, 0, 0], 8);
  const line = Buffer.alloc(1 + Math.ceil(width / 8), 0xff).fill(0, 0, 1);
  const pixels = width * height > 1e7 ? line : Buffer.concat(Array.from({ length: height }, () => line));
  const chunk = (type: string, data: Buffer) => {
    const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(type, "latin1"), data, Buffer.alloc(4)]);
    bytes.writeUInt32BE(data.length, 0);
    bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4);
    return bytes;
  };
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(pixels)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** The header of an extended WebP alone: its canvas is all that it says. */
function webpCanvas(width: number, height: number): Buffer {
  const bytes = Buffer.concat([Buffer.from("RIFF\0\0\0\0WEBPVP8X\n\0\0\0", "latin1"), Buffer.alloc(10)]);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.writeUIntLE(width - 1, 24, 3);
  bytes.writeUIntLE(height - 1, 27, 3);
  return bytes;
}

function withSize(
  name: string,
  find: (bytes: Buffer) => number,
  change: (bytes: Buffer, at: number) => void,
): Buffer {
  const bytes = fixture(name);
  change(bytes, find(bytes));
  return bytes;
}

/** Where height and width stand in the frame of a progressive JPEG. */
function jpegSizeAt(bytes: Buffer): number {
  return bytes.indexOf(Buffer.from([0xff, 0xc2])) + 5;
}

/** Sets a number in a directory of a little-endian TIFF. */
function setTag(bytes: Buffer, directory: number, tag: number, value: number): void {
  for (let i = 0; i < bytes.readUInt16LE(directory); i += 1) {
    const entry = directory + 2 + 12 * i;
    if (bytes.readUInt16LE(entry) !== tag) continue;
    bytes.writeUInt16LE(4, entry + 2);
    bytes.writeUInt32LE(value, entry + 8);
    return;
  }
  throw new Error(`The fixture has no tag ${tag}.`);
}
