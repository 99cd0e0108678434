const TRANSITIONAL = "http://schemas.openxmlformats.org/";
const STRICT = "http://purl.oclc.org/ooxml/";
const MICROSOFT = "http://schemas.microsoft.com/office/";

/** Vocabularies that the "strict" variant of the standard spells with another address. */
const STANDARD: readonly [prefix: string, transitional: string, strict: string][] = [
  ["w", "wordprocessingml/2006/main", "wordprocessingml/main"],
  ["s", "spreadsheetml/2006/main", "spreadsheetml/main"],
  ["p", "presentationml/2006/main", "presentationml/main"],
  ["a", "drawingml/2006/main", "drawingml/main"],
  ["c", "drawingml/2006/chart", "drawingml/chart"],
  ["dgm", "drawingml/2006/diagram", "drawingml/diagram"],
  ["pic", "drawingml/2006/picture", "drawingml/picture"],
  ["wp", "drawingml/2006/wordprocessingDrawing", "drawingml/wordprocessingDrawing"],
  ["xdr", "drawingml/2006/spreadsheetDrawing", "drawingml/spreadsheetDrawing"],
  ["r", "officeDocument/2006/relationships", "officeDocument/relationships"],
  ["m", "officeDocument/2006/math", "officeDocument/math"],
  ["ep", "officeDocument/2006/extended-properties", "officeDocument/extendedProperties"],
];

const OTHER: readonly [prefix: string, address: string][] = [
  ["rel", `${TRANSITIONAL}package/2006/relationships`],
  ["ct", `${TRANSITIONAL}package/2006/content-types`],
  ["cp", `${TRANSITIONAL}package/2006/metadata/core-properties`],
  ["mc", `${TRANSITIONAL}markup-compatibility/2006`],
  ["dc", "http://purl.org/dc/elements/1.1/"],
  ["dcterms", "http://purl.org/dc/terms/"],
  ["v", "urn:schemas-microsoft-com:vml"],
  ["wps", `${MICROSOFT}word/2010/wordprocessingShape`],
  ["wpg", `${MICROSOFT}word/2010/wordprocessingGroup`],
  ["cx", `${MICROSOFT}drawing/2014/chartex`],
  ["a14", `${MICROSOFT}drawing/2010/main`],
  ["tc", `${MICROSOFT}spreadsheetml/2018/threadedcomments`],
  ["p15", `${MICROSOFT}powerpoint/2012/main`],
  ["p188", `${MICROSOFT}powerpoint/2018/8/main`],
];

/** The prefixes the readers of Office documents know, by namespace address. */
export const OFFICE_NAMESPACES: ReadonlyMap<string, string> = new Map([
  ...STANDARD.flatMap(([prefix, transitional, strict]): [string, string][] => [
    [TRANSITIONAL + transitional, prefix],
    [STRICT + strict, prefix],
  ]),
  ...OTHER.map(([prefix, address]): [string, string] => [address, prefix]),
]);
