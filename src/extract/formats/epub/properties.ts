import type { DocumentProperties } from "../../model.ts";
import { elements, textOf, type XmlElement } from "../../xml.ts";
import { localName } from "../xml-tree.ts";

/** What the package document says about the book. */
export function bookProperties(metadata: XmlElement | undefined): DocumentProperties {
  const values = (name: string) =>
    [...elements(metadata)]
      .filter((element) => localName(element) === name)
      .map((element) => textOf(element).replace(/\s+/g, " ").trim())
      .filter((value) => value !== "");
  const properties: DocumentProperties = {};
  const [title] = values("title");
  if (title !== undefined) properties.title = title;
  const authors = values("creator");
  if (authors.length > 0) properties.authors = authors.slice(0, 100);
  const [subject] = values("description");
  if (subject !== undefined) properties.subject = subject.slice(0, 10_000);
  const keywords = values("subject");
  if (keywords.length > 0) properties.keywords = keywords.slice(0, 200);
  const [created] = values("date");
  if (created !== undefined) properties.created = created;
  const modified = [...elements(metadata)].find(
    ({ attributes }) => attributes.property === "dcterms:modified",
  );
  if (modified !== undefined) properties.modified = textOf(modified).trim();
  const extra: NonNullable<DocumentProperties["extra"]> = {};
  for (const name of ["language", "publisher", "identifier", "rights"]) {
    const [value] = values(name);
    if (value !== undefined) extra[name] = value;
  }
  if (Object.keys(extra).length > 0) properties.extra = extra;
  return properties;
}
