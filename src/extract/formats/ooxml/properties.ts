import type { DocumentProperties } from "../../model.ts";
import { elements, textOf } from "../../xml.ts";
import { type OfficePackage, partOfType } from "./package.ts";

const MAX_KEYWORDS = 200;

/** What the document says about itself in its core and application properties. */
export async function readProperties(office: OfficePackage): Promise<DocumentProperties> {
  const relationships = await office.relationships("");
  const core = await fields(office, partOfType(relationships, "core-properties") ?? "docProps/core.xml");
  const app = await fields(office, partOfType(relationships, "extended-properties") ?? "docProps/app.xml");

  const properties: DocumentProperties = {};
  const title = core.get("title");
  if (title) properties.title = title;
  const authors = list(core.get("creator"), /\s*;\s*/);
  if (authors.length > 0) properties.authors = authors;
  const subject = core.get("subject");
  if (subject) properties.subject = subject;
  const keywords = list(core.get("keywords"), /\s*[,;]\s*/);
  if (keywords.length > 0) properties.keywords = keywords;
  const created = instant(core.get("created"));
  if (created) properties.created = created;
  const modified = instant(core.get("modified"));
  if (modified) properties.modified = modified;

  const extra: NonNullable<DocumentProperties["extra"]> = {};
  for (const name of ["description", "category", "contentStatus", "lastModifiedBy", "language", "revision"]) {
    const value = core.get(name);
    if (value) extra[name] = value;
  }
  for (const name of ["Application", "Company", "Manager", "Template"]) {
    const value = app.get(name);
    if (value) extra[name[0]?.toLowerCase() + name.slice(1)] = value;
  }
  const pages = Number(app.get("Pages"));
  if (Number.isInteger(pages) && pages > 0) properties.pageCount = pages;
  if (Object.keys(extra).length > 0) properties.extra = extra;
  return properties;
}

async function fields(office: OfficePackage, part: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const element of elements(await office.tree(part))) {
    const text = textOf(element).trim();
    const name = element.name.slice(element.name.indexOf(":") + 1);
    if (text !== "" && !found.has(name)) found.set(name, text);
  }
  return found;
}

function list(value: string | undefined, separator: RegExp): string[] {
  return (value ?? "")
    .split(separator)
    .filter((entry) => entry !== "")
    .slice(0, MAX_KEYWORDS);
}

function instant(value: string | undefined): string | undefined {
  if (value === undefined || !/^\d{4}-\d\d-\d\d/.test(value)) return undefined;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
