import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { renderMarkdown, renderText } from "../../extract/render.ts";
import type { WorkingDocument } from "../stage.ts";
import type { RenderAnswer, RenderedFile } from "./protocol.ts";
import { resultMetadata } from "./result-metadata.ts";

/** Writes every format of a finished document into `folder`; runs in a document process. */
export async function renderDocument(document: WorkingDocument, folder: string): Promise<RenderAnswer> {
  const blocks = document.blocks ?? [];
  const { text } = renderText(blocks);
  const chunks = (document.chunks ?? []).map((chunk) => `${JSON.stringify(chunk)}\n`).join("");
  const files = [
    await writeOne(folder, "text.txt", text),
    await writeOne(folder, "document.md", renderMarkdown(blocks)),
    await writeOne(folder, "document.json", JSON.stringify({ ...document, chunks: undefined })),
    await writeOne(folder, "chunks.ndjson", chunks),
  ];
  return {
    files,
    metadata: resultMetadata(document),
    characters: text.length,
    ...(document.quality === undefined ? {} : { qualityScore: document.quality.score }),
  };
}

async function writeOne(folder: string, name: RenderedFile["name"], text: string): Promise<RenderedFile> {
  const path = join(folder, name);
  const bytes = Buffer.from(text, "utf8");
  await writeFile(path, bytes, { mode: 0o600 });
  return { name, path, size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}
