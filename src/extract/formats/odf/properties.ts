import type { DocumentProperties } from "../../model.ts";
import { child, elements, textOf } from "../../xml.ts";
import type { OdfPackage } from "./package.ts";

const MAX_KEYWORDS = 200;

/** What the document says about itself in `meta.xml`. */
export async function readProperties(office: OdfPackage): Promise<DocumentProperties> {
  const meta = child(await office.tree("meta.xml"), "office:meta");
  const properties: DocumentProperties = {};
  const value = (name: string) => textOf(child(meta, name)).trim();
  const title = value("dc:title");
  if (title !== "") properties.title = title;
  const author = value("meta:initial-creator") || value("dc:creator");
  if (author !== "") properties.authors = [author];
  const subject = value("dc:subject");
  if (subject !== "") properties.subject = subject;
  const keywords = [...elements(meta, "meta:keyword")].map((each) => textOf(each).trim()).filter(Boolean);
  if (keywords.length > 0) properties.keywords = keywords.slice(0, MAX_KEYWORDS);
  const created = instant(value("meta:creation-date"));
  if (created !== undefined) properties.created = created;
  const modified = instant(value("dc:date"));
  if (modified !== undefined) properties.modified = modified;
  const pages = Number(child(meta, "meta:document-statistic")?.attributes["meta:page-count"]);
  if (Number.isInteger(pages) && pages > 0) properties.pageCount = pages;

  const extra: NonNullable<DocumentProperties["extra"]> = {};
  for (const [name, element] of [
    ["description", "dc:description"],
    ["language", "dc:language"],
    ["application", "meta:generator"],
    ["lastModifiedBy", "dc:creator"],
  ] as const) {
    if (value(element) !== "") extra[name] = value(element);
  }
  if (Object.keys(extra).length > 0) properties.extra = extra;
  return properties;
}

/** ODF writes local times with nanoseconds. */
function instant(value: string): string | undefined {
  if (!/^\d{4}-\d\d-\d\d/.test(value)) return undefined;
  const date = new Date(value.replace(/(\.\d{3})\d+/, "$1"));
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
