const DELIMITERS = [",", ";", "\t", "|"] as const;
export type Delimiter = (typeof DELIMITERS)[number];

const SAMPLE_CHARACTERS = 64 * 1024;
const SAMPLE_ROWS = 200;

/**
 * The character that parts the columns of a table in text, or undefined if the text is no such table: the one
 * that occurs as often in (nearly) every row, quotes respected. `cut` tells that the text's end is missing.
 * `lenient`, for texts that say they are tables, takes uneven rows as well. Linear time.
 */
export function delimitedBy(
  text: string,
  options: { cut: boolean; lenient: boolean },
): Delimiter | undefined {
  let best: { delimiter: Delimiter; score: number } | undefined;
  for (const delimiter of DELIMITERS) {
    const counts = columnCounts(text.slice(0, SAMPLE_CHARACTERS), delimiter, options.cut);
    const score = options.lenient ? lenientScore(counts) : strictScore(counts, delimiter);
    if (score > (best?.score ?? 0)) best = { delimiter, score };
  }
  return best?.delimiter;
}

function lenientScore(counts: readonly number[]): number {
  const parted = counts.filter((count) => count > 1);
  if (parted.length === 0) return 0;
  const usual = mostCommon(parted);
  const even = counts.filter((count) => count === usual).length / counts.length;
  return (parted.length / counts.length) * (0.2 + even) * (1 + Math.min(usual, 20) / 100);
}

function strictScore(counts: readonly number[], delimiter: Delimiter): number {
  const usual = mostCommon(counts);
  const least = delimiter === "," ? 3 : 2;
  // Two rows of prose may well have as many commas each.
  if (usual < least || counts.length < (delimiter === "\t" ? 2 : 3) || delimiter === "|") return 0;
  const even = counts.filter((count) => count === usual).length / counts.length;
  return even < 0.95 ? 0 : even;
}

function mostCommon(counts: readonly number[]): number {
  const times = new Map<number, number>();
  for (const count of counts) times.set(count, (times.get(count) ?? 0) + 1);
  return [...times].reduce((best, each) => (each[1] > best[1] ? each : best), [0, 0] as [number, number])[0];
}

/** Columns of each row that is not blank; a row may run over lines within quotes. */
function columnCounts(text: string, delimiter: Delimiter, cut: boolean): number[] {
  const counts: number[] = [];
  let columns = 1;
  let quoted = false;
  let blank = true;
  let fresh = true;
  for (let i = 0; i < text.length && counts.length < SAMPLE_ROWS; i++) {
    const c = text[i];
    if (c === '"' && (quoted || fresh)) {
      quoted = !quoted;
      blank = false;
    } else if (quoted) continue;
    else if (c === "\n" || c === "\r") {
      if (!blank) counts.push(columns);
      columns = 1;
      blank = true;
      fresh = true;
      continue;
    } else if (c === delimiter) {
      columns++;
      blank = false;
      fresh = true;
      continue;
    } else if (c !== " " && c !== "\t") blank = false;
    fresh = quoted && c === '"' ? true : fresh && c === " ";
  }
  if (!blank && !quoted && (!cut || counts.length === 0)) counts.push(columns);
  return counts;
}
