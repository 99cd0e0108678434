import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Completion, Lease } from "../jobs/leases.ts";
import { INLINE_RESULT_BYTES, type ResultFormat } from "../jobs/model.ts";
import { isStorable, storable } from "../lib/storable.ts";
import type { RenderedFiles } from "../stages/host/pool.ts";
import type { ObjectStore } from "../storage/object-store.ts";

const FORMAT_OF: Record<RenderedFiles["files"][number]["name"], ResultFormat> = {
  "text.txt": "TEXT",
  "document.md": "MARKDOWN",
  "document.json": "JSON",
  "chunks.ndjson": "CHUNKS",
};

/**
 * What an attempt leaves of its rendered files: small ones as they stand in rows, large ones in the object store, under
 * the token of the attempt. Nothing refers to those objects before the job is completed.
 */
export async function storeResult(
  store: ObjectStore,
  { jobId, token }: Lease,
  rendered: RenderedFiles,
): Promise<Completion> {
  const contents = await Promise.all(
    rendered.files.map(async (file) => {
      const format = FORMAT_OF[file.name];
      const base = { format, sizeBytes: file.size, sha256: file.sha256 };
      if (file.size <= INLINE_RESULT_BYTES) {
        return { ...base, ...inRow(await readFile(file.path, "utf8")), objectKey: null };
      }
      const objectKey = `results/${jobId}/${token}/${file.name}`;
      await store.put(objectKey, createReadStream(file.path));
      return { ...base, content: null, objectKey };
    }),
  );
  const text = contents.find(({ format }) => format === "TEXT");
  if (!text) throw new Error("the rendered files lack the text");
  return {
    extractedText: text.content,
    metadata: rendered.metadata,
    qualityScore: rendered.qualityScore ?? null,
    outputUri: text.objectKey ? store.uriOf(text.objectKey) : null,
    sizeBytes: text.sizeBytes,
    sha256: text.sha256,
    // The text of a small result stands in the result's own row.
    contents: contents.map((item) => (item.format === "TEXT" ? { ...item, content: null } : item)),
  };
}

/** A text as its row holds it; size and hash are those of what is held. */
function inRow(text: string): { content: string; sizeBytes: number; sha256: string } | { content: string } {
  if (isStorable(text)) return { content: text };
  const content = storable(text);
  return {
    content,
    sizeBytes: Buffer.byteLength(content),
    sha256: createHash("sha256").update(content).digest("hex"),
  };
}
