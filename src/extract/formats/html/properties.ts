import type { DocumentProperties } from "../../model.ts";
import { attribute, findElement, type HtmlDocument, type HtmlElement, isElement, rawText } from "./tree.ts";

const MAX_VALUE_CHARACTERS = 10_000;

/** What the page's head says about it. */
export function htmlProperties(document: HtmlDocument): DocumentProperties {
  const properties: DocumentProperties = {};
  const head = findElement(document, (element) => element.tagName === "head");
  const html = findElement(document, (element) => element.tagName === "html");
  const title = head && findElement(head, (element) => element.tagName === "title");
  const metas = metaValues(head);
  const name = clean(title ? rawText(title) : "") || metas.get("og:title") || metas.get("dc.title");
  if (name) properties.title = name;
  const author = metas.get("author") ?? metas.get("dc.creator") ?? metas.get("article:author");
  if (author) properties.authors = [author];
  const subject = metas.get("description") ?? metas.get("og:description") ?? metas.get("dc.description");
  if (subject) properties.subject = subject;
  const keywords = (metas.get("keywords") ?? "").split(",").map(clean).filter(Boolean);
  if (keywords.length > 0) properties.keywords = keywords.slice(0, 100);
  const created = metas.get("article:published_time") ?? metas.get("date") ?? metas.get("dc.date");
  if (created) properties.created = created;
  const modified = metas.get("article:modified_time") ?? metas.get("last-modified");
  if (modified) properties.modified = modified;
  const language = html ? clean(attribute(html, "lang")) : "";
  if (language) properties.extra = { language };
  return properties;
}

function metaValues(head: HtmlElement | undefined): Map<string, string> {
  const values = new Map<string, string>();
  for (const node of head?.childNodes ?? []) {
    if (!isElement(node) || node.tagName !== "meta") continue;
    const name = (attribute(node, "name") || attribute(node, "property")).toLowerCase();
    const content = clean(attribute(node, "content"));
    if (name && content && !values.has(name)) values.set(name, content);
  }
  return values;
}

const clean = (text: string) => text.slice(0, MAX_VALUE_CHARACTERS).replace(/\s+/g, " ").trim();
