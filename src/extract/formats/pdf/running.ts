import { type PageContent, type Row, type Segment, toRows } from "./geometry.ts";

const MIN_PAGES = 3;
/** Part of the page's height at its top and at its bottom where running lines stand. */
const BAND = 0.13;
const ROWS_PER_BAND = 3;

interface Candidate {
  page: number;
  row: Row;
  text: string;
  key: string;
}

/**
 * Finds running headers, footers and page numbers: rows in the outermost band of at least three pages, at the same
 * height, set off from the text, which are the same but for a number that grows from page to page.
 */
export function findRunning(pages: readonly PageContent[]): Set<Segment> {
  const running = new Set<Segment>();
  const byKey = new Map<string, Candidate[]>();
  for (const page of pages) {
    for (const candidate of candidatesOf(page)) {
      const list = byKey.get(candidate.key) ?? [];
      list.push(candidate);
      byKey.set(candidate.key, list);
    }
  }
  for (const list of byKey.values()) {
    const seen = new Set(list.map((c) => c.page));
    if (seen.size < MIN_PAGES || !repeats(list)) continue;
    for (const candidate of list) for (const segment of candidate.row.segments) running.add(segment);
  }
  return running;
}

function candidatesOf(page: PageContent): Candidate[] {
  const rows = toRows(page.groups[0] ?? []);
  const height = page.box.y1 - page.box.y0;
  const out: Candidate[] = [];
  const take = (row: Row, inner: Row | undefined, edge: "top" | "bottom") => {
    const distance = edge === "top" ? row.baseline - page.box.y0 : page.box.y1 - row.baseline;
    if (distance > BAND * height || distance < 0) return false;
    const text = row.segments.map((s) => s.text).join(" ");
    const key = `${edge} ${Math.round(row.size)} ${mask(text)}`;
    const apart =
      inner === undefined || Math.abs(inner.baseline - row.baseline) > 1.45 * Math.max(row.size, inner.size);
    out.push({ page: page.page, row, text, key: apart ? key : `${key} close` });
    return true;
  };
  for (let i = 0; i < Math.min(ROWS_PER_BAND, rows.length); i += 1)
    if (!take(rows[i] as Row, rows[i + 1], "top")) break;
  for (let i = rows.length - 1; i >= Math.max(ROWS_PER_BAND, rows.length - ROWS_PER_BAND); i -= 1) {
    if (!take(rows[i] as Row, rows[i - 1], "bottom")) break;
  }
  return out;
}

/** The text without page numbers at its ends; numbers inside stay, they are part of a name or a date. */
function mask(text: string): string {
  return text
    .toLowerCase()
    .replace(/\s+/gu, " ")
    .replace(/^(?:[-–—|]\s*)?(?:\d{1,4}|[ivxlc]{1,7})(?=$|[\s|/·.-])/u, "#")
    .replace(/(?<=[\s|/·-])(?:\d{1,4}|[ivxlc]{1,7})(?:\s*[-–—|])?$/u, "#")
    .replace(/\b\d{1,4}(?= (?:of|von|de|sur|\/) #)/u, "#");
}

function numberIn(text: string): number {
  const match =
    /^(?:[-–—|]\s*)?(\d{1,4}|[ivxlc]{1,7})(?=$|[\s|/·.-])/iu.exec(text) ??
    /(\d{1,4}|[ivxlc]{1,7})(?:\s*[-–—|])?$/iu.exec(text);
  const value = match?.[1] ?? "";
  return /^\d+$/u.test(value) ? Number(value) : roman(value.toLowerCase());
}

function roman(text: string): number {
  const values: { [digit: string]: number } = { i: 1, v: 5, x: 10, l: 50, c: 100 };
  const digits = [...text].map((d) => values[d] ?? 0);
  return digits.reduce((sum, d, i) => (d < (digits[i + 1] ?? 0) ? sum - d : sum + d), 0);
}

function repeats(list: readonly Candidate[]): boolean {
  const key = list[0]?.key ?? "";
  if (key.endsWith(" close") && !/\p{L}{3,}.*\p{L}{3,}/u.test(list[0]?.text ?? "")) return false;
  const heights = list.map((c) => c.row.baseline).sort((a, b) => a - b);
  const middle = heights[heights.length >> 1] ?? 0;
  if (heights.filter((y) => Math.abs(y - middle) <= 4).length < 0.7 * heights.length) return false;
  if (!key.includes("#")) return true;
  const numbers = list.map((c) => numberIn(c.text));
  let grows = 0;
  for (let i = 1; i < numbers.length; i += 1)
    if ((numbers[i] as number) > (numbers[i - 1] as number)) grows += 1;
  return grows >= 0.7 * (numbers.length - 1) || new Set(list.map((c) => c.text)).size === 1;
}
