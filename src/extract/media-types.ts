const OOXML = "application/vnd.openxmlformats-officedocument";
const ODF = "application/vnd.oasis.opendocument";

/** The media types that Sluice tells apart, by the name it uses for them. */
export const MEDIA = {
  pdf: "application/pdf",
  docx: `${OOXML}.wordprocessingml.document`,
  docm: "application/vnd.ms-word.document.macroenabled.12",
  xlsx: `${OOXML}.spreadsheetml.sheet`,
  xlsm: "application/vnd.ms-excel.sheet.macroenabled.12",
  xlsb: "application/vnd.ms-excel.sheet.binary.macroenabled.12",
  pptx: `${OOXML}.presentationml.presentation`,
  pptm: "application/vnd.ms-powerpoint.presentation.macroenabled.12",
  ppsx: `${OOXML}.presentationml.slideshow`,
  encryptedOoxml: "application/x-ooxml-encrypted",
  doc: "application/msword",
  xls: "application/vnd.ms-excel",
  ppt: "application/vnd.ms-powerpoint",
  msg: "application/vnd.ms-outlook",
  cfb: "application/x-cfb",
  odt: `${ODF}.text`,
  ods: `${ODF}.spreadsheet`,
  odp: `${ODF}.presentation`,
  epub: "application/epub+zip",
  zip: "application/zip",
  rtf: "application/rtf",
  html: "text/html",
  xhtml: "application/xhtml+xml",
  xml: "application/xml",
  jats: "application/jats+xml",
  rss: "application/rss+xml",
  atom: "application/atom+xml",
  svg: "image/svg+xml",
  json: "application/json",
  ndjson: "application/x-ndjson",
  ipynb: "application/x-ipynb+json",
  eml: "message/rfc822",
  csv: "text/csv",
  tsv: "text/tab-separated-values",
  markdown: "text/markdown",
  vtt: "text/vtt",
  srt: "application/x-subrip",
  text: "text/plain",
  png: "image/png",
  apng: "image/apng",
  jpeg: "image/jpeg",
  tiff: "image/tiff",
  webp: "image/webp",
  gif: "image/gif",
  bmp: "image/bmp",
  binary: "application/octet-stream",
} as const;

const BY_EXTENSION: Readonly<Record<string, readonly string[]>> = {
  pdf: [MEDIA.pdf],
  docx: [MEDIA.docx, MEDIA.docm, MEDIA.encryptedOoxml],
  docm: [MEDIA.docm, MEDIA.docx, MEDIA.encryptedOoxml],
  dotx: [MEDIA.docx],
  xlsx: [MEDIA.xlsx, MEDIA.xlsm, MEDIA.encryptedOoxml],
  xlsm: [MEDIA.xlsm, MEDIA.xlsx, MEDIA.encryptedOoxml],
  xlsb: [MEDIA.xlsb, MEDIA.encryptedOoxml],
  pptx: [MEDIA.pptx, MEDIA.pptm, MEDIA.ppsx, MEDIA.encryptedOoxml],
  pptm: [MEDIA.pptm, MEDIA.pptx, MEDIA.encryptedOoxml],
  ppsx: [MEDIA.ppsx, MEDIA.pptx],
  doc: [MEDIA.doc],
  xls: [MEDIA.xls],
  ppt: [MEDIA.ppt],
  msg: [MEDIA.msg],
  odt: [MEDIA.odt],
  ods: [MEDIA.ods],
  odp: [MEDIA.odp],
  epub: [MEDIA.epub],
  zip: [MEDIA.zip],
  rtf: [MEDIA.rtf],
  html: [MEDIA.html, MEDIA.xhtml],
  htm: [MEDIA.html, MEDIA.xhtml],
  xhtml: [MEDIA.xhtml, MEDIA.html],
  xml: [MEDIA.xml, MEDIA.jats, MEDIA.rss, MEDIA.atom, MEDIA.svg, MEDIA.xhtml],
  nxml: [MEDIA.jats, MEDIA.xml],
  rss: [MEDIA.rss, MEDIA.atom, MEDIA.xml],
  atom: [MEDIA.atom, MEDIA.rss, MEDIA.xml],
  svg: [MEDIA.svg],
  json: [MEDIA.json, MEDIA.ndjson, MEDIA.ipynb],
  ndjson: [MEDIA.ndjson, MEDIA.json],
  jsonl: [MEDIA.ndjson, MEDIA.json],
  ipynb: [MEDIA.ipynb],
  eml: [MEDIA.eml],
  csv: [MEDIA.csv, MEDIA.tsv, MEDIA.text],
  tsv: [MEDIA.tsv, MEDIA.csv, MEDIA.text],
  tab: [MEDIA.tsv, MEDIA.csv, MEDIA.text],
  md: [MEDIA.markdown],
  markdown: [MEDIA.markdown],
  vtt: [MEDIA.vtt],
  srt: [MEDIA.srt],
  png: [MEDIA.png, MEDIA.apng],
  apng: [MEDIA.apng, MEDIA.png],
  jpg: [MEDIA.jpeg],
  jpeg: [MEDIA.jpeg],
  tif: [MEDIA.tiff],
  tiff: [MEDIA.tiff],
  webp: [MEDIA.webp],
  gif: [MEDIA.gif],
  bmp: [MEDIA.bmp],
};

/** Other spellings under which clients declare a type. */
const ALIASES: Readonly<Record<string, string>> = {
  "text/xml": MEDIA.xml,
  "text/rtf": MEDIA.rtf,
  "text/json": MEDIA.json,
  "text/x-markdown": MEDIA.markdown,
  "application/x-pdf": MEDIA.pdf,
  "application/x-zip-compressed": MEDIA.zip,
  "application/csv": MEDIA.csv,
  "application/jsonl": MEDIA.ndjson,
  "application/x-jsonlines": MEDIA.ndjson,
  "image/jpg": MEDIA.jpeg,
  "image/tif": MEDIA.tiff,
  "image/x-ms-bmp": MEDIA.bmp,
};

/** The extension of a file name in lower case, without the dot; empty if there is none. */
export function extensionOf(filename: string): string {
  return /[^/\\]\.([a-z0-9]{1,10})$/i.exec(filename.trim())?.[1]?.toLowerCase() ?? "";
}

/** Types a file of this name may rightly have; empty where the name promises nothing (`.txt`, `.bin`, none). */
export function typesByName(filename: string): readonly string[] {
  return BY_EXTENSION[extensionOf(filename)] ?? [];
}

/** Types a declared media type may rightly turn out to be; empty where it promises nothing. */
export function typesByDeclaration(declared: string): readonly string[] {
  const bare = declared.split(";")[0]?.trim().toLowerCase() ?? "";
  const type = ALIASES[bare] ?? bare;
  if (type === "" || type === MEDIA.binary || type === MEDIA.text || !type.includes("/")) return [];
  return Object.values(BY_EXTENSION).find((types) => types[0] === type) ?? [type];
}
