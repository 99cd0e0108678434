import { DocumentFault } from "../errors.ts";
import type { Extractor } from "../extractor.ts";
import { outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import { readBytes } from "../read-text.ts";
import { readRtf } from "./rtf/reader.ts";

/** Rich Text Format, in any code page. Pictures and embedded objects are passed over. */
export const extractor: Extractor = {
  name: "rtf",
  mediaTypes: [MEDIA.rtf],
  async extract(input) {
    const { options, limits, signal } = input;
    const { blocks, properties, isCut } = readRtf(await readBytes(input), {
      maxDepth: limits.maxDepth,
      includeTables: options.includeTables,
      includeHeadersFooters: options.includeHeadersFooters,
      budget: outputBudget(limits.maxOutputCharacters),
      onProgress(tokens) {
        signal.throwIfAborted();
        input.progress(tokens, 0);
      },
    });
    if (!isCut) return { blocks, properties, warnings: [] };
    if (blocks.length === 0) {
      throw new DocumentFault(
        "DOCUMENT_CORRUPT",
        "The RTF document is cut off before its text; send it again from an intact copy.",
      );
    }
    const message = "The RTF document is cut off; what was there was read.";
    return { blocks, properties, warnings: [{ code: "CONTENT_TRUNCATED", message }] };
  },
};
