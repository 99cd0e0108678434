import { openCompound } from "../compound.ts";
import { DocumentFault } from "../errors.ts";
import type { Extractor } from "../extractor.ts";
import { outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import { readBytes } from "../read-text.ts";
import { readBody } from "./doc/body.ts";
import { broken, openWord } from "./doc/fib.ts";
import { oleProperties } from "./ole-properties.ts";

/** Word documents of Word 97 to 2003, and the plain text of older ones; macros are never run. */
export const extractor: Extractor = {
  name: "doc",
  mediaTypes: [MEDIA.doc],
  async extract(input) {
    const file = openCompound(await readBytes(input));
    const { options, limits, signal } = input;
    const properties = oleProperties(file);
    try {
      const { blocks, links } = readBody(openWord(file), {
        includeTables: options.includeTables,
        includeHeadersFooters: options.includeHeadersFooters,
        budget: outputBudget(limits.maxOutputCharacters),
        onProgress(done, total) {
          signal.throwIfAborted();
          input.progress(done, total);
        },
      });
      if (links.length > 0) properties.links = links;
      return { blocks, properties, warnings: [] };
    } catch (error) {
      // A place that points out of the file is the document's fault, whatever was read there.
      if (error instanceof DocumentFault || signal.aborted || !(error instanceof RangeError)) throw error;
      throw broken(error);
    }
  },
};
