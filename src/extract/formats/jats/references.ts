import { child, descendants, elements, type XmlElement } from "../../xml.ts";
import { lineOf } from "./line.ts";

/** One entry of a reference list: as it is printed, or put together from its fields. */
export function referenceText(ref: XmlElement): string {
  const mixed =
    child(ref, "mixed-citation") ??
    child(ref, "citation-alternatives", "mixed-citation") ??
    child(ref, "nlm-citation");
  const fields = child(ref, "element-citation") ?? child(ref, "citation-alternatives", "element-citation");
  if (mixed && isWritten(mixed)) return lineOf(mixed);
  const source = fields ?? mixed;
  return source
    ? fieldText(source)
    : lineOf({
        ...ref,
        children: ref.children.filter((node) => typeof node === "string" || node.name !== "label"),
      });
}

const isWritten = (citation: XmlElement) =>
  citation.children.some((node) => typeof node === "string" && /[^\s]/.test(node));

/** A citation given as fields only, in the usual order: people, title, place, publisher, identifiers. */
export function fieldText(citation: XmlElement): string {
  const field = (name: string) => lineOf(child(citation, name));
  const people = [...descendants(citation, "person-group")].flatMap((group) => [...elements(group)]);
  const names = (
    people.length > 0
      ? people
      : [...elements(citation)].filter((each) => /^(name|string-name|collab)$/.test(each.name))
  ).map(lineOf);
  const pages =
    [field("fpage"), field("lpage")].filter(Boolean).join("–") ||
    field("elocation-id") ||
    field("page-range");
  const volume = [field("volume"), pages].filter(Boolean).join(":");
  const place = [field("source"), field("edition"), volume, field("year") && `(${field("year")})`]
    .filter(Boolean)
    .join(" ");
  const publisher = [field("publisher-name"), field("publisher-loc")].filter(Boolean).join(", ");
  const ids = [...elements(citation, "pub-id")].map(
    (id) =>
      `${id.attributes["assigning-authority"] ?? (id.attributes["pub-id-type"] ?? "id").toUpperCase()}: ${lineOf(id)}`,
  );
  const title =
    field("article-title") || field("chapter-title") || field("data-title") || field("part-title");
  const rest = [field("conf-name"), publisher, field("comment"), field("ext-link") || field("uri")];
  return [names.filter(Boolean).join(", "), title, place, ...rest, ids.join(", ")]
    .map((part) => part.replace(/\.$/, ""))
    .filter(Boolean)
    .join(". ");
}
