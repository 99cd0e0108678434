const RTL = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFF\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}]/u;
const ALEF = /^[\u0622\u0623\u0625\u0627\u0671]$/u;
const LAM = "\u0644";

export function isRtl(character: string): boolean {
  return character > "\u0590" && RTL.test(character);
}

/** One character and the glyph it came from; characters of one glyph share their place on the page. */
export interface Placed {
  text: string;
  x: number;
  y: number;
  right: number;
}

/**
 * Puts the letters of a ligature glyph back in order. PDFium turns right-to-left text round letter by letter,
 * so that a glyph that stands for lam and alef comes out as alef and lam. Only letters that share one glyph are touched: a
 * real alef before a real lam (the article) has two.
 */
export function repairLigatures(characters: Placed[]): void {
  for (let i = 0; i + 1 < characters.length; i += 1) {
    const first = characters[i] as Placed;
    if (!isRtl(first.text)) continue;
    let end = i + 1;
    while (end < characters.length && sameGlyph(first, characters[end] as Placed)) end += 1;
    if (end - i >= 2) {
      const letters = characters.slice(i, end).map((c) => c.text);
      const inOrder = letters[0] === LAM && ALEF.test(letters[1] ?? "");
      if (!inOrder && letters.every(isRtl)) {
        letters.reverse();
        for (const [k, letter] of letters.entries()) (characters[i + k] as Placed).text = letter;
      }
      i = end - 1;
    }
  }
}

function sameGlyph(a: Placed, b: Placed): boolean {
  if (b.text === " ") return false;
  return a.x === b.x && a.y === b.y && a.right === b.right && a.right - a.x > 0.01;
}

/**
 * Turns round the brackets of a right-to-left line when each of them faces away from what it holds: some fonts map the mirrored
 * glyph to the sign it looks like, so that `(2026)` comes out as `)2026(`. Lines with any pair in order are left alone.
 */
export function repairBrackets(text: string): string {
  let depth = 0;
  let pairs = 0;
  for (const character of text) {
    if (character === ")") depth += 1;
    else if (character === "(") {
      depth -= 1;
      pairs += 1;
    }
    if (depth < 0 || depth > 1) return text;
  }
  if (depth !== 0 || pairs === 0) return text;
  return text.replace(/[()]/gu, (sign) => (sign === "(" ? ")" : "("));
}
