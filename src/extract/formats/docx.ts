import type { ExtractInput, Extractor } from "../extractor.ts";
import type { Block, ExtractedDocument, Warning } from "../model.ts";
import { readDocx } from "./docx/document.ts";
import { openPackage } from "./ooxml/package.ts";
import { readProperties } from "./ooxml/properties.ts";

/** Word documents and templates, with and without macros (which are never run). */
export const extractor: Extractor = {
  name: "docx",
  mediaTypes: [
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template",
    "application/vnd.ms-word.document.macroenabled.12",
    "application/vnd.ms-word.template.macroenabled.12",
  ],
  async extract(input: ExtractInput): Promise<ExtractedDocument> {
    const office = await openPackage(input);
    try {
      const properties = await readProperties(office);
      const { blocks, links, skipped } = await readDocx(office, input);
      if (links.length > 0) properties.links = links;
      const warnings: Warning[] = skipped.map((what) => ({
        code: "PART_SKIPPED",
        message: `The document holds ${what}, which was not read.`,
      }));
      return { blocks: limitPages(blocks, input, warnings), properties, warnings };
    } finally {
      office.close();
    }
  },
};

function limitPages(blocks: Block[], { options, limits }: ExtractInput, warnings: Warning[]): Block[] {
  const most = options.maxPages > 0 ? Math.min(options.maxPages, limits.maxPages) : limits.maxPages;
  const end = blocks.findIndex((block) => (block.page ?? 1) > most);
  if (end < 0) return blocks;
  warnings.push({ code: "PAGES_SKIPPED", message: `Pages after the first ${most} were not read.` });
  return blocks.slice(0, end);
}
