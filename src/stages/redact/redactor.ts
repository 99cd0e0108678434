import type { Find, Kind, Match } from "./match.ts";

/** How often something was replaced, by kind. */
export type Counts = { [kind in Kind]?: number };

/**
 * A replacement may bring forth what is looked for, as when what stood between two halves is taken out. After so many
 * rounds the whole text goes.
 */
const MAX_ROUNDS = 8;
/** Signs that Markdown escapes, and percent-encoded ones, as they are shown. */
const ESCAPED = /\\([!-/:-@[-`{-~])|%([2-7][0-9A-F])/gi;

export interface Redactor {
  /** One text that stands in pieces: found in the whole of it, replaced in the first piece that it touches. */
  pieces(pieces: readonly string[], separator: string): string[];
  text(text: string): string;
  /** Whether anything is found in a text with escapes, as Markdown and the targets of links are. */
  holds(text: string): boolean;
  /** What a single round would replace in a text, in order. */
  places(text: string): { start: number; end: number }[];
  readonly replacement: string;
  readonly counts: Counts;
}

/** Replaces everything that is found; doing it twice changes nothing more. */
export function createRedactor(options: {
  find: Find;
  /** Their anchors mean a piece, and the whole text. */
  findPatterns: Find;
  replacement: string;
}): Redactor {
  const { find, findPatterns, replacement } = options;
  const counts: Counts = {};

  const search = (pieces: readonly string[], separator: string, text: string): Match[] => {
    const matches = [...find(text), ...findPatterns(text)];
    if (pieces.length === 1) return matches;
    let offset = 0;
    for (const piece of pieces) {
      for (const { kind, start, end } of findPatterns(piece))
        matches.push({ kind, start: start + offset, end: end + offset });
      offset += piece.length + separator.length;
    }
    return matches;
  };

  const pieces = (before: readonly string[], separator: string): string[] => {
    let current = [...before];
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const text = current.join(separator);
      const matches = disjoint(search(current, separator, text), occurrences(text, replacement));
      const { next, replaced } = replace(current, separator.length, matches, replacement);
      if (replaced.length === 0) return current;
      for (const kind of replaced) counts[kind] = (counts[kind] ?? 0) + 1;
      current = next;
    }
    return current.map((piece) => (piece === "" ? "" : replacement));
  };

  const text = (before: string): string => pieces([before], "")[0] ?? "";
  return {
    counts,
    pieces,
    text,
    replacement,
    places: (before) => disjoint(search([before], "", before), occurrences(before, replacement)),
    holds(before) {
      const shown = before.replace(ESCAPED, (_, sign?: string, hex?: string) =>
        hex === undefined ? (sign ?? "") : String.fromCharCode(Number.parseInt(hex, 16)),
      );
      return text(before) !== before || text(shown) !== shown;
    },
  };
}

/** Where the replacement stands already. */
function occurrences(text: string, replacement: string): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  if (replacement === "") return found;
  for (let at = text.indexOf(replacement); at >= 0; at = text.indexOf(replacement, at + replacement.length))
    found.push({ start: at, end: at + replacement.length });
  return found;
}

/** The matches in order, overlapping ones joined. One inside a replacement is none; one that overlaps it takes it in. */
function disjoint(matches: readonly Match[], replaced: readonly { start: number; end: number }[]): Match[] {
  const joined: { kind: Kind; start: number; end: number }[] = [];
  let next = 0;
  for (const match of matches.toSorted((a, b) => a.start - b.start)) {
    const { kind } = match;
    let { start, end } = match;
    while (next < replaced.length && (replaced[next]?.end ?? 0) <= start) next++;
    const first = replaced[next];
    if (first && first.start <= start && end <= first.end) continue;
    if (first && first.start < end) start = Math.min(start, first.start);
    for (let at = next; at < replaced.length && (replaced[at]?.start ?? end) < end; at++)
      end = Math.max(end, replaced[at]?.end ?? end);
    const last = joined.at(-1);
    if (last && start < last.end) last.end = Math.max(last.end, end);
    else joined.push({ kind, start, end });
  }
  return joined;
}

function replace(
  pieces: readonly string[],
  separatorLength: number,
  matches: readonly Match[],
  replacement: string,
): { next: string[]; replaced: Kind[] } {
  const replaced: Kind[] = [];
  let first = 0;
  let told = -1;
  let offset = 0;
  const next = pieces.map((piece) => {
    const end = offset + piece.length;
    while (first < matches.length && (matches[first]?.end ?? 0) <= offset) first++;
    const parts: string[] = [];
    let from = 0;
    for (let at = first; at < matches.length && (matches[at]?.start ?? end) < end; at++) {
      const match = matches[at];
      if (!match) break;
      parts.push(piece.slice(from, Math.max(0, match.start - offset)));
      from = Math.min(piece.length, match.end - offset);
      if (at === told) continue;
      told = at;
      parts.push(replacement);
      replaced.push(match.kind);
    }
    offset = end + separatorLength;
    return from === 0 && parts.length === 0 ? piece : parts.join("") + piece.slice(from);
  });
  return { next, replaced };
}
