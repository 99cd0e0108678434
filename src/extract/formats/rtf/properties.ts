import type { DocumentProperties } from "../../model.ts";

/** Gathers what the head of the document says about it. */
export interface RtfInfo {
  /** The text of a field such as `title`. */
  text(field: string, value: string): void;
  /** A part of a date such as `creatim`: `yr`, `mo` … */
  date(field: string, name: string, value: number): void;
  properties(links: ReadonlySet<string>): DocumentProperties;
}

const MAX_VALUE = 4096;
const DATE_PARTS = ["yr", "mo", "dy", "hr", "min", "sec"];

export function createInfo(): RtfInfo {
  const texts = new Map<string, string>();
  const dates = new Map<string, number[]>();
  return {
    text(field, value) {
      if (value !== "" && !texts.has(field)) texts.set(field, value.slice(0, MAX_VALUE));
    },
    date(field, name, value) {
      const place = DATE_PARTS.indexOf(name);
      if (place < 0) return;
      const date = dates.get(field) ?? [];
      date[place] = value;
      dates.set(field, date);
    },
    properties(links) {
      const properties: DocumentProperties = {};
      const title = texts.get("title");
      if (title) properties.title = title;
      const author = texts.get("author");
      if (author) properties.authors = [author];
      const subject = texts.get("subject");
      if (subject) properties.subject = subject;
      const keywords = (texts.get("keywords") ?? "").split(/\s*[,;]\s*/).filter(Boolean);
      if (keywords.length > 0) properties.keywords = keywords.slice(0, 200);
      const created = instant(dates.get("creatim"));
      if (created) properties.created = created;
      const modified = instant(dates.get("revtim"));
      if (modified) properties.modified = modified;
      if (links.size > 0) properties.links = [...links];
      const company = texts.get("company");
      if (company) properties.extra = { company };
      return properties;
    },
  };
}

function instant(date: number[] | undefined): string | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = date ?? [];
  if (year < 1900 || year > 9999 || month < 1 || day < 1) return undefined;
  const time = Date.UTC(year, month - 1, day, hour, minute, second);
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}
