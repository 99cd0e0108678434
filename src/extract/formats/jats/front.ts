import type { DocumentProperties } from "../../model.ts";
import { child, descendants, elements, type XmlElement } from "../../xml.ts";
import { lineOf } from "./line.ts";

const metaOf = (article: XmlElement) =>
  child(article, "front", "article-meta") ?? child(article, "front-stub") ?? child(article, "front");

/** Title, authors and affiliations as they head the printed article. */
export function frontMatter(article: XmlElement): {
  title: string;
  authors: string[];
  affiliations: string[];
} {
  const meta = metaOf(article);
  const title = lineOf(child(meta, "title-group", "article-title"));
  const subtitle = lineOf(child(meta, "title-group", "subtitle"));
  const groups = [...elements(meta, "contrib-group")];
  const affiliations = [
    ...elements(meta, "aff"),
    ...groups.flatMap((group) => [...descendants(group, "aff")]),
  ];
  return {
    title: subtitle === "" ? title : `${title}: ${subtitle}`,
    authors: groups
      .flatMap((group) => [...descendants(group, "contrib")].filter(isAuthor).map(nameOf))
      .filter(Boolean),
    affiliations: [...new Set(affiliations.map(affiliationText).filter(Boolean))],
  };
}

/** What the article says about itself. */
export function jatsProperties(article: XmlElement): DocumentProperties {
  const meta = metaOf(article);
  const { title, authors } = frontMatter(article);
  const keywords = [...elements(meta, "kwd-group")].flatMap((group) =>
    [...descendants(group, "kwd")].map(lineOf),
  );
  const properties: DocumentProperties = {};
  if (title) properties.title = title;
  if (authors.length > 0) properties.authors = authors;
  if (keywords.length > 0) properties.keywords = [...new Set(keywords)];
  const created = [...elements(meta, "pub-date")]
    .map(dateOf)
    .filter(Boolean)
    .sort((a, b) => b.length - a.length)[0];
  if (created) properties.created = created;
  const journal = lineOf(child(article, "front", "journal-meta", "journal-title-group", "journal-title"));
  const doi = [...elements(meta, "article-id")].find((id) => id.attributes["pub-id-type"] === "doi");
  const extra = { ...(journal && { journal }), ...(doi && { doi: lineOf(doi) }) };
  if (Object.keys(extra).length > 0) properties.extra = extra;
  return properties;
}

const isAuthor = (contrib: XmlElement) => /^(author|)$/.test(contrib.attributes["contrib-type"] ?? "");

/** `Given Surname`, or the name of a group. */
export function nameOf(person: XmlElement): string {
  const name =
    child(person, "name") ??
    child(person, "name-alternatives", "name") ??
    (person.name === "name" ? person : undefined);
  if (!name) return lineOf(child(person, "string-name") ?? child(person, "collab"));
  return ["prefix", "given-names", "surname", "suffix"]
    .map((part) => lineOf(child(name, part)))
    .filter(Boolean)
    .join(" ");
}

function affiliationText(affiliation: XmlElement): string {
  const parts = affiliation.children.filter(
    (node) => typeof node === "string" || !/^(label|email|ext-link|institution-id)$/.test(node.name),
  );
  const loose = parts.some((node) => typeof node === "string" && /[\p{L}\p{N},]/u.test(node));
  if (loose) return lineOf({ ...affiliation, children: parts }).replace(/^[,;\s]+/, "");
  return parts
    .flatMap((node) => (typeof node === "string" ? [] : [lineOf(withoutIds(node))]))
    .filter(Boolean)
    .join(", ");
}

const withoutIds = (element: XmlElement): XmlElement => ({
  ...element,
  children: element.children.filter((node) => typeof node === "string" || node.name !== "institution-id"),
});

function dateOf(date: XmlElement): string {
  const number = (part: string, width: number) =>
    lineOf(child(date, part)).replace(/\D/g, "").padStart(width, "0");
  if (!child(date, "year")) return "";
  const parts = [
    number("year", 4),
    child(date, "month") && number("month", 2),
    child(date, "day") && number("day", 2),
  ];
  return parts.filter(Boolean).join("-");
}
