// biome-ignore-all lint/suspicious/noControlCharactersInRegex: control characters are the subject
const ESCAPES =
  /\u001b\[[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]?/g;
/** C0, DEL, C1, and the marks that turn the direction of what follows. */
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const CONTROLS_IN_TEXT = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
const WIDE =
  /^(?:\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}])/u;
const ZERO = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;
const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Somebody else's words on one line of a terminal: nothing in them can move the cursor or change colours. */
export function clean(text: string): string {
  return text.toWellFormed().replace(ESCAPES, "").replace(/\s+/g, " ").replace(CONTROLS, "").trim();
}

/** The same for a whole text, whose lines and tabs stay. */
export function cleanText(text: string): string {
  return text.replace(/\r\n/g, "\n").replace(ESCAPES, "").replace(CONTROLS_IN_TEXT, "");
}

/** Columns that a clean text takes in a terminal. */
export function widthOf(text: string): number {
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += widthOfSegment(segment);
  return width;
}

function widthOfSegment(segment: string): number {
  if (ZERO.test(segment)) return 0;
  return WIDE.test(segment) ? 2 : 1;
}

/** Cut to at most `width` columns, with an ellipsis if something is missing. */
export function cut(text: string, width: number): string {
  if (width <= 0) return "";
  if (widthOf(text) <= width) return text;
  let kept = "";
  let taken = 0;
  for (const { segment } of segmenter.segment(text)) {
    const next = widthOfSegment(segment);
    if (taken + next > width - 1) break;
    kept += segment;
    taken += next;
  }
  return `${kept}…`;
}

/** Cut or filled to exactly `width` columns. */
export function padTo(text: string, width: number): string {
  const short = cut(text, width);
  return short + " ".repeat(Math.max(0, width - widthOf(short)));
}

/** Rows under headings, columns aligned; the last column takes what `columns` leaves, if that is given. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  columns?: number,
): string {
  const cells = [headings, ...rows.map((row) => row.map(clean))];
  const widths = headings.map((_, i) => Math.max(...cells.map((row) => widthOf(row[i] ?? ""))));
  const lines = cells.map((row) => {
    const line = row.map((cell, i) => (i === row.length - 1 ? cell : padTo(cell, widths[i] ?? 0))).join("  ");
    return columns ? cut(line, columns) : line;
  });
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

/** `1 job`, `2 jobs`, `0 jobs`. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

/** Each unit in milliseconds, and the next smaller one; from two days on, days are easier to grasp than hours. */
const SPANS = [
  { from: 48 * 3_600_000, unit: "d", ms: 86_400_000, restUnit: "h", restMs: 3_600_000 },
  { from: 3_600_000, unit: "h", ms: 3_600_000, restUnit: "min", restMs: 60_000 },
  { from: 60_000, unit: "min", ms: 60_000, restUnit: "s", restMs: 1_000 },
] as const;

/** `850 ms`, `2.1 s`, `3 min 5 s`, `24 h`, `9 d 4 h`; less than nothing counts as nothing. */
export function duration(ms: number): string {
  const known = Math.max(0, ms);
  for (const { from, unit, ms: size, restUnit, restMs } of SPANS) {
    // Rounded before it is compared: 59.99 s is a minute, not 60.0 s.
    const rounded = Math.round(known / restMs) * restMs;
    const close = restMs === 1_000 ? Math.round(known / 100) * 100 : rounded;
    if (close < from) continue;
    const whole = Math.floor(rounded / size);
    const rest = Math.round((rounded - whole * size) / restMs);
    return rest > 0 ? `${whole} ${unit} ${rest} ${restUnit}` : `${whole} ${unit}`;
  }
  return Math.round(known) < 1_000 ? `${Math.round(known)} ms` : `${decimal(known / 1_000)} s`;
}

/** `12 B`, `3.4 KiB`, `5 MiB`. */
export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = count;
  let unit = 0;
  while (Number(decimal(size)) >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${decimal(size)} ${units[unit]}`;
}

const decimal = (value: number): string => value.toFixed(1).replace(/\.0$/, "");
