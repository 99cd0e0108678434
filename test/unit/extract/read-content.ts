import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DETECT_HEAD_BYTES, detectMediaType } from "../../../src/extract/detect.ts";
import {
  DEFAULT_EXTRACT_LIMITS,
  type ExtractInput,
  type ExtractLimits,
  type ExtractOptions,
} from "../../../src/extract/extractor.ts";
import type { ExtractedDocument } from "../../../src/extract/model.ts";
import { extractorFor } from "../../../src/extract/registry.ts";

export interface ReadHow {
  filename?: string;
  mediaType?: string;
  options?: Partial<ExtractOptions>;
  limits?: Partial<ExtractLimits>;
  progress?: ExtractInput["progress"];
}

/** Reads content as a document: from a file of its own, detected and extracted like any other. */
export async function readContent(
  content: string | Uint8Array,
  how: ReadHow = {},
): Promise<ExtractedDocument> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-read-"));
  try {
    const path = join(folder, "document");
    const bytes = Buffer.from(content);
    await writeFile(path, bytes);
    const filename = how.filename ?? "";
    const head = bytes.subarray(0, DETECT_HEAD_BYTES);
    const found = await detectMediaType({ head, path, size: bytes.length, filename, declaredMediaType: "" });
    const mediaType = how.mediaType ?? found.mediaType;
    const extractor = await extractorFor(mediaType);
    return await extractor.extract({
      path,
      size: bytes.length,
      mediaType,
      filename,
      ...(found.encoding !== undefined && { encoding: found.encoding }),
      options: {
        maxPages: 0,
        includeTables: true,
        includeHeadersFooters: false,
        mainContentOnly: false,
        ocr: "auto",
        languages: [],
        ...how.options,
      },
      limits: { ...DEFAULT_EXTRACT_LIMITS, ...how.limits },
      signal: new AbortController().signal,
      progress: how.progress ?? (() => undefined),
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}
