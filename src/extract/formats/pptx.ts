import type { ExtractInput, Extractor } from "../extractor.ts";
import type { ExtractedDocument } from "../model.ts";
import { openPackage } from "./ooxml/package.ts";
import { readProperties } from "./ooxml/properties.ts";
import { readPresentation } from "./pptx/presentation.ts";

/** PowerPoint presentations, shows and templates, with and without macros (which are never run). */
export const extractor: Extractor = {
  name: "pptx",
  mediaTypes: [
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.presentationml.slideshow",
    "application/vnd.openxmlformats-officedocument.presentationml.template",
    "application/vnd.ms-powerpoint.presentation.macroenabled.12",
    "application/vnd.ms-powerpoint.slideshow.macroenabled.12",
    "application/vnd.ms-powerpoint.template.macroenabled.12",
  ],
  async extract(input: ExtractInput): Promise<ExtractedDocument> {
    const office = await openPackage(input);
    try {
      const properties = await readProperties(office);
      const { slideCount, links, ...document } = await readPresentation(office, input);
      properties.pageCount = slideCount;
      if (links.length > 0) properties.links = links;
      return { ...document, properties };
    } finally {
      office.close();
    }
  },
};
