import type { ExtractInput, Extractor } from "../extractor.ts";
import { outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Block, ExtractedDocument } from "../model.ts";
import { descendants, elements } from "../xml.ts";
import { MAX_CELLS, type OdfContext } from "./odf/context.ts";
import { readObjects } from "./odf/objects.ts";
import { type OdfPackage, openOdf } from "./odf/package.ts";
import { readProperties } from "./odf/properties.ts";
import { readSheets } from "./odf/sheets.ts";
import { readSlides } from "./odf/slides.ts";
import { readStory } from "./odf/story.ts";
import { addStyles, createStyles } from "./odf/styles.ts";
import { readText } from "./odf/text.ts";

/** OpenDocument texts, workbooks and presentations, as LibreOffice writes them; macros are never run. */
export const extractor: Extractor = {
  name: "odf",
  mediaTypes: [MEDIA.odt, MEDIA.ods, MEDIA.odp],
  async extract(input: ExtractInput): Promise<ExtractedDocument> {
    const office = await openOdf(input);
    try {
      const context: OdfContext = {
        styles: createStyles(),
        budget: outputBudget(input.limits.maxOutputCharacters),
        includeTables: input.options.includeTables,
        leavesCoveredEmpty: input.mediaType === MEDIA.odp,
        notes: [],
        comments: [],
        links: new Set(),
        objects: await readObjects(office, input),
        cellsLeft: MAX_CELLS,
        numbers: new Map(),
      };
      const properties = await readProperties(office);
      const margins = await readStyles(office, context, input);
      const document = await readContent(office, context, input);
      const { extra, ...found } = document.properties;
      Object.assign(properties, found);
      if (extra !== undefined) properties.extra = { ...properties.extra, ...extra };
      if (context.links.size > 0) properties.links = [...context.links];
      return { ...document, blocks: [...margins, ...document.blocks], properties };
    } finally {
      office.close();
    }
  },
};

async function readContent(
  office: OdfPackage,
  context: OdfContext,
  input: ExtractInput,
): Promise<ExtractedDocument> {
  if (input.mediaType === MEDIA.ods) {
    const { names, hidden, ...document } = await readSheets(office, context, input);
    const extra = { sheets: names, ...(hidden.length > 0 ? { hiddenSheets: hidden } : {}) };
    return { ...document, properties: { pageCount: names.length, extra } };
  }
  if (input.mediaType === MEDIA.odp) {
    const { pageCount, ...document } = await readSlides(office, context, input);
    return { ...document, properties: { pageCount } };
  }
  const body = await readText(office, context, input);
  return { blocks: [...body, ...context.notes, ...context.comments], properties: {}, warnings: [] };
}

/** Takes in the styles that the document shares; returns running headers and footers, if they are wanted. */
async function readStyles(office: OdfPackage, context: OdfContext, input: ExtractInput): Promise<Block[]> {
  const root = await office.tree("styles.xml");
  addStyles(context.styles, root);
  if (!input.options.includeHeadersFooters || root === undefined) return [];
  const seen = new Set<string>();
  const blocks: Block[] = [];
  for (const page of descendants(root, "style:master-page")) {
    for (const part of elements(page)) {
      if (!/^style:(?:header|footer)/.test(part.name)) continue;
      for (const block of readStory(elements(part), context)) {
        const key = JSON.stringify(block);
        if (!seen.has(key)) blocks.push(block);
        seen.add(key);
      }
    }
  }
  return blocks;
}
