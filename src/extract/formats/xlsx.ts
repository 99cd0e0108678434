import type { ExtractInput, Extractor } from "../extractor.ts";
import type { ExtractedDocument } from "../model.ts";
import { openPackage } from "./ooxml/package.ts";
import { readProperties } from "./ooxml/properties.ts";
import { readWorkbook } from "./xlsx/workbook.ts";

/** Excel workbooks and templates, with and without macros (which are never run). */
export const extractor: Extractor = {
  name: "xlsx",
  mediaTypes: [
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.template",
    "application/vnd.ms-excel.sheet.macroenabled.12",
    "application/vnd.ms-excel.template.macroenabled.12",
  ],
  async extract(input: ExtractInput): Promise<ExtractedDocument> {
    const office = await openPackage(input);
    try {
      const properties = await readProperties(office);
      const { sheets, links, ...document } = await readWorkbook(office, input);
      properties.pageCount = sheets.length;
      if (links.length > 0) properties.links = links;
      const hidden = sheets.filter((sheet) => sheet.isHidden).map((sheet) => sheet.name);
      properties.extra = {
        ...properties.extra,
        sheets: sheets.map((sheet) => sheet.name),
        ...(hidden.length > 0 ? { hiddenSheets: hidden } : {}),
      };
      return { ...document, properties };
    } finally {
      office.close();
    }
  },
};
