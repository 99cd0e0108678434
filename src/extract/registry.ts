import { readingChildren } from "./child-reader.ts";
import { DocumentFault } from "./errors.ts";
import type { Extractor } from "./extractor.ts";
import { MEDIA } from "./media-types.ts";

type Load = () => Promise<{ extractor: Extractor }>;

const docx: Load = () => import("./formats/docx.ts");
const xlsx: Load = () => import("./formats/xlsx.ts");
const pptx: Load = () => import("./formats/pptx.ts");
const odf: Load = () => import("./formats/odf.ts");
const csv: Load = () => import("./formats/csv.ts");
const json: Load = () => import("./formats/json.ts");
const xml: Load = () => import("./formats/xml.ts");
const feed: Load = () => import("./formats/feed.ts");
const html: Load = () => import("./formats/html.ts");
const text: Load = () => import("./formats/text.ts");
const image: Load = () => import("./formats/image.ts");

/** Libraries are loaded with the first document that needs them: a process reads one document, or a few. */
const EXTRACTORS: ReadonlyMap<string, Load> = new Map<string, Load>([
  [MEDIA.pdf, () => import("./formats/pdf.ts")],
  [MEDIA.docx, docx],
  [MEDIA.docm, docx],
  [MEDIA.xlsx, xlsx],
  [MEDIA.xlsm, xlsx],
  [MEDIA.pptx, pptx],
  [MEDIA.pptm, pptx],
  [MEDIA.ppsx, pptx],
  [MEDIA.odt, odf],
  [MEDIA.ods, odf],
  [MEDIA.odp, odf],
  [MEDIA.rtf, () => import("./formats/rtf.ts")],
  [MEDIA.epub, () => import("./formats/epub.ts")],
  [MEDIA.doc, () => import("./formats/doc.ts")],
  [MEDIA.ppt, () => import("./formats/ppt.ts")],
  [MEDIA.xls, () => import("./formats/xls.ts")],
  [MEDIA.msg, () => import("./formats/msg.ts")],
  [MEDIA.zip, () => import("./formats/zip.ts")],
  [MEDIA.encryptedOoxml, () => import("./formats/encrypted-ooxml.ts")],
  [MEDIA.html, html],
  [MEDIA.xhtml, html],
  [MEDIA.xml, xml],
  [MEDIA.jats, xml],
  [MEDIA.rss, feed],
  [MEDIA.atom, feed],
  [MEDIA.svg, xml],
  [MEDIA.json, json],
  [MEDIA.ndjson, json],
  [MEDIA.ipynb, () => import("./formats/notebook.ts")],
  [MEDIA.eml, () => import("./formats/eml.ts")],
  [MEDIA.csv, csv],
  [MEDIA.tsv, csv],
  [MEDIA.markdown, () => import("./formats/markdown.ts")],
  [MEDIA.text, text],
  [MEDIA.vtt, text],
  [MEDIA.srt, text],
  [MEDIA.png, image],
  [MEDIA.apng, image],
  [MEDIA.jpeg, image],
  [MEDIA.tiff, image],
  [MEDIA.webp, image],
  [MEDIA.gif, image],
  [MEDIA.bmp, image],
]);

/** Every media type that can be read, sorted. */
export function readableMediaTypes(): string[] {
  return [...EXTRACTORS.keys()].sort();
}

/** Whether documents of this type can be read. */
export function isReadable(mediaType: string): boolean {
  return EXTRACTORS.has(mediaType);
}

/**
 * The reader of a media type, as `detectMediaType` names it. It reads the documents within the document too.
 * @throws DocumentFault `UNSUPPORTED_MEDIA_TYPE` if there is none
 */
export async function extractorFor(mediaType: string): Promise<Extractor> {
  return readingChildren(await loadExtractor(mediaType), loadExtractor);
}

async function loadExtractor(mediaType: string): Promise<Extractor> {
  const load = EXTRACTORS.get(mediaType);
  if (!load) {
    throw new DocumentFault(
      "UNSUPPORTED_MEDIA_TYPE",
      `Documents of type ${mediaType} cannot be read; convert it to one of the supported types, e.g. PDF or DOCX.`,
    );
  }
  return (await load()).extractor;
}
