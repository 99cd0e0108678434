import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stageTypes } from "../../../src/stages/registry.ts";
import type { Chunk, WorkingDocument } from "../../../src/stages/stage.ts";
import { startPool } from "./harness.ts";

const PAGE =
  "The committee met in March and reviewed the figures for the previous year. Sales had grown by 12% in most regions, " +
  "while the cost of transport fell. Members agreed that the new warehouse should open before winter.\n\n";
const TEXT = `${PAGE.repeat(30)}ﬁnal docu-\nment words.`;

async function throughAllStages(h: Awaited<ReturnType<typeof startPool>>) {
  let inputPath: string | null = null;
  const outcomes = [];
  for (const stage of stageTypes()) {
    const source = {
      filename: "minutes.txt",
      declaredMediaType: "text/plain",
      sizeBytes: Buffer.byteLength(TEXT),
      sha256: "0",
    };
    const job = h.job(stage.type, stage.parseOptions({}), { inputPath, source });
    outcomes.push(await h.pool.run(job));
    inputPath = job.outputPath;
  }
  return { outcomes, documentPath: inputPath! };
}

test("the default chain turns a text into clean text, Markdown, JSON, chunks and metadata", async () => {
  await using h = await startPool({ maxRssBytes: 2 ** 30 });
  await writeFile(h.sourcePath, TEXT);
  const { outcomes, documentPath } = await throughAllStages(h);
  expect(outcomes.at(-1)!.summary).toMatchObject({ mediaType: "text/plain", qualityScore: 1, warnings: 0 });
  expect(outcomes.at(-1)!.summary.chunks).toBeGreaterThan(1);

  const folder = join(h.tempDir, "rendered");
  await mkdir(folder);
  const { files, metadata, qualityScore, characters } = await h.pool.render({
    documentPath,
    folder,
    timeoutMs: 10_000,
    onPeak: () => {},
    signal: new AbortController().signal,
  });
  expect(files.map((file) => file.name)).toEqual([
    "text.txt",
    "document.md",
    "document.json",
    "chunks.ndjson",
  ]);
  for (const file of files) {
    const bytes = await readFile(join(folder, file.name));
    expect(file).toMatchObject({
      size: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    });
  }
  const text = await readFile(join(folder, "text.txt"), "utf8");
  expect(text).toContain("final document words.");
  expect(characters).toBe(text.length);
  expect(qualityScore).toBe(1);
  expect(metadata).toMatchObject({
    mediaType: "text/plain",
    facts: { language: "en" },
    quality: { score: 1 },
    warnings: [],
  });
  const lines = (await readFile(join(folder, "chunks.ndjson"), "utf8")).trim().split("\n");
  const chunks = lines.map((line) => JSON.parse(line) as Chunk);
  for (const chunk of chunks) expect(text.slice(chunk.start, chunk.end)).toBe(chunk.text);
});

test("faults of documents come through the real stages: nothing in it, and a type that nobody reads", async () => {
  await using h = await startPool({ maxRssBytes: 2 ** 30 });
  await writeFile(h.sourcePath, "");
  const source = { filename: "a", declaredMediaType: "", sizeBytes: 0, sha256: "" };
  await expect(h.pool.run(h.job("detect", {}, { source }))).rejects.toMatchObject({
    reason: "DOCUMENT_EMPTY",
  });
  const inputPath = join(h.tempDir, "input.json");
  await writeFile(
    inputPath,
    JSON.stringify({ source, mediaType: "application/x-nothing", properties: {}, facts: {}, warnings: [] }),
  );
  const extract = stageTypes().find((stage) => stage.type === "extract")!;
  const unread = h.pool.run(h.job("extract", extract.parseOptions({}), { inputPath }));
  await expect(unread).rejects.toMatchObject({ name: "DocumentFault", reason: "UNSUPPORTED_MEDIA_TYPE" });
});

test("documents within a document are read in the same process, and leave nothing behind", async () => {
  await using h = await startPool({ maxRssBytes: 2 ** 30 });
  const mail = [
    "From: a@example.org",
    "Subject: With files",
    "MIME-Version: 1.0",
    "Content-Type: multipart/mixed; boundary=b",
    "",
    "--b",
    "Content-Type: text/plain",
    "",
    "The body.",
    "--b",
    "Content-Type: application/octet-stream",
    "Content-Disposition: attachment; filename=notes.md",
    "",
    "# Attached",
    "--b--",
    "",
  ].join("\r\n");
  await writeFile(h.sourcePath, mail);
  const source = { filename: "a.eml", declaredMediaType: "", sizeBytes: mail.length, sha256: "" };
  const inputPath = join(h.tempDir, "input.json");
  await writeFile(
    inputPath,
    JSON.stringify({ source, mediaType: "message/rfc822", properties: {}, facts: {}, warnings: [] }),
  );
  const extract = stageTypes().find((stage) => stage.type === "extract")!;
  const job = h.job("extract", extract.parseOptions({}), { inputPath });
  await h.pool.run(job);
  const document = JSON.parse(await readFile(job.outputPath, "utf8")) as WorkingDocument;
  expect(document.blocks).toMatchObject([
    { type: "paragraph", text: "The body." },
    { type: "heading", level: 1, text: "notes.md" },
    { type: "heading", level: 2, text: "Attached" },
  ]);
  expect(document.children).toMatchObject([{ name: "notes.md", mediaType: "text/markdown", status: "READ" }]);
  expect((await readdir(h.tempDir)).filter((name) => name.startsWith("child-"))).toEqual([]);
});
