import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { extractStage } from "../../../src/stages/extract.ts";
import type { StagePoolOptions } from "../../../src/stages/host/pool.ts";
import { qualityStage } from "../../../src/stages/quality.ts";
import type { WorkingDocument } from "../../../src/stages/stage.ts";
import { buildPdf } from "../../fixtures/pdf/build.ts";
import { startPool } from "./harness.ts";

const SCANNED = "The harbour handled four thousand ships, more than in any year before.";
const TYPED = "This page was typed and has a text of its own.";
const scan = {
  jpeg: await readFile(new URL("../../fixtures/images/progressive.jpg", import.meta.url)),
  width: 760,
  height: 130,
};
const MIXED = buildPdf({ pages: [{ texts: [{ x: 50, y: 700, text: TYPED }] }, { scan }] });

/** A pool, and a way to send a document through detect and extract in it. */
async function startReader(overrides: Partial<StagePoolOptions> = {}) {
  const { pool, tempDir, job, [Symbol.asyncDispose]: dispose } = await startPool(overrides);
  return {
    pool,
    job,
    async read(bytes: Buffer, options: unknown = {}, onProgress = (_share: number, _place?: string) => {}) {
      const sourcePath = join(tempDir, "document");
      await writeFile(sourcePath, bytes);
      const of = {
        sourcePath,
        source: { filename: "", declaredMediaType: "", sizeBytes: bytes.length, sha256: "" },
        onProgress,
      };
      const detected = job("detect", {}, of);
      await pool.run(detected);
      const inputPath = detected.outputPath;
      const extracted = job("extract", extractStage.parseOptions(options), { ...of, inputPath });
      await pool.run(extracted);
      return extracted.outputPath;
    },
    [Symbol.asyncDispose]: dispose,
  };
}
const load = async (path: string) => JSON.parse(await readFile(path, "utf8")) as WorkingDocument;
const textOf = ({ blocks = [] }: WorkingDocument) =>
  blocks.map((block) => ("text" in block ? block.text : `<${block.type}>`)).join(" ");

test("of a PDF with a typed and a scanned page the scanned one is read by OCR; its confidence is part of the quality", async () => {
  await using reader = await startReader();
  const shares: number[] = [];
  const path = await reader.read(MIXED, {}, (share, place) => {
    if (place === "page 2 of 2") shares.push(share);
  });
  const document = await load(path);
  expect(textOf(document)).toBe(`${TYPED} <page_break> ${SCANNED}`);
  expect(document.pages).toMatchObject([{ page: 1 }, { page: 2, ocrConfidence: expect.any(Number) }]);
  expect(document.pages?.[0]).not.toHaveProperty("ocrConfidence");
  // Its page is the second of two, and read in the first half of the stage.
  expect(shares.filter((share) => share > 0.25 && share < 0.5)).not.toEqual([]);

  const rated = reader.job("quality", qualityStage.parseOptions({}), { inputPath: path });
  await reader.pool.run(rated);
  const ocr = (await load(rated.outputPath)).quality?.parts.find(({ name }) => name === "ocr");
  expect(ocr?.value).toBeCloseTo(((document.pages?.[1]?.ocrConfidence ?? 0) + 1) / 2, 4);
});

test("ocr = always reads every page from its picture, never none", async () => {
  await using reader = await startReader();
  const always = await load(await reader.read(MIXED, { ocr: "OCR_MODE_ALWAYS", languages: ["eng"] }));
  expect(textOf(always)).toBe(`${TYPED} <page_break> ${SCANNED}`);
  expect(always.pages).toMatchObject([1, 2].map((page) => ({ page, ocrConfidence: expect.any(Number) })));
  const never = await load(await reader.read(MIXED, { ocr: "never" }));
  expect(textOf(never)).toBe(`${TYPED} <page_break>`);
  expect(never.warnings).toMatchObject([{ code: "PAGE_WITHOUT_TEXT", page: 2 }]);
});

test("a process with too little memory for OCR fails as PARSER_OUT_OF_MEMORY, and the next document is read", async () => {
  await using reader = await startReader({ maxRssBytes: 120 * 1024 * 1024 });
  await expect(reader.read(scan.jpeg)).rejects.toMatchObject({ reason: "PARSER_OUT_OF_MEMORY" });
  const next = await load(await reader.read(Buffer.from("Plain text needs little.")));
  expect(textOf(next)).toBe("Plain text needs little.");
});
