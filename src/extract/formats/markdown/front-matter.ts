import type { DocumentProperties } from "../../model.ts";

const MAX_LINES = 500;

/**
 * The well-known plain entries (title, author, date, description, tags …) of a YAML or TOML front matter.
 * Deeper structure is not read.
 */
export function frontMatterProperties(source: string): DocumentProperties {
  const entries = new Map<string, string[]>();
  let key = "";
  for (const line of source.split("\n").slice(0, MAX_LINES)) {
    const entry = /^([A-Za-z][\w-]{0,60})\s*[:=]\s*(.*)$/.exec(line);
    const item = /^\s*-\s+(.*)$/.exec(line);
    if (entry) {
      key = entry[1]?.toLowerCase() ?? "";
      entries.set(key, values(entry[2] ?? ""));
    } else if (item && key !== "") entries.get(key)?.push(...values(item[1] ?? ""));
  }
  const all = (...names: string[]) => names.flatMap((name) => entries.get(name) ?? []);
  const properties: DocumentProperties = {};
  const [title] = all("title");
  if (title) properties.title = title;
  const authors = all("author", "authors");
  if (authors.length > 0) properties.authors = authors;
  const [subject] = all("description", "summary", "subject", "abstract");
  if (subject) properties.subject = subject;
  const keywords = all("tags", "keywords", "categories");
  if (keywords.length > 0) properties.keywords = keywords;
  const [created] = all("date", "created");
  if (created) properties.created = created;
  const [modified] = all("lastmod", "updated", "modified");
  if (modified) properties.modified = modified;
  return properties;
}

function values(source: string): string[] {
  const text = source.trim();
  const parts = /^\[.*\]$/.test(text) ? text.slice(1, -1).split(",") : [text];
  return parts.map((part) => part.trim().replace(/^(["'])(.*)\1$/, "$2")).filter((part) => part !== "");
}
