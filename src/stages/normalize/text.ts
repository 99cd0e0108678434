/** Which parts of the cleaning are on. */
export interface TextCleaning {
  unicode: boolean;
  ligatures: boolean;
  hyphenation: boolean;
  whitespace: boolean;
}

/** Compounds that the document itself writes with a hyphen inside a line, in lower case: `well-known`. */
export type Compounds = ReadonlySet<string>;

const MAX_COMPOUNDS = 50_000;
/** Characters on either side of a line's end that are looked at for a compound. */
const NEIGHBOUR = 40;

// Latin and Armenian ligatures, Arabic presentation forms: one sign for what is spelled with several letters.
const LIGATURES = /[\uFB00-\uFB06\uFB13-\uFB17\uFB50-\uFBB1\uFBD3-\uFBE9\uFBFC-\uFBFF\uFE80-\uFEFC]/g;
/** What follows the hyphen of a word whose second half comes later. */
const CONJUNCTION = /^(and|or|to|und|oder|bis|bzw|et|ou|y|o|e|en|of|och|og|i|lub|и|или)$/u;
const CONTROLS = /(?![\n\t])[\p{Cc}\u200B\uFEFF]/gu;
const BLANKS = /[^\S\n]+/g;

/**
 * Cleans the text of one block. Cleaning twice is cleaning once: what a later step could lay open for an
 * earlier one has been removed before it.
 */
export function cleanText(text: string, parts: TextCleaning, compounds: Compounds): string {
  let clean = text;
  if (parts.unicode) {
    clean = clean
      .toWellFormed()
      .replace(/\r\n?|[\v\f\u0085\u2028\u2029]/g, "\n")
      .replace(CONTROLS, "");
  }
  if (parts.hyphenation) {
    clean = clean.replace(/\u00AD[^\S\n]*\n[^\S\n]*(?=\p{L})/gu, "").replaceAll("\u00AD", "");
  }
  if (parts.ligatures) clean = clean.replace(LIGATURES, (sign) => sign.normalize("NFKC"));
  if (parts.unicode) clean = clean.normalize("NFC");
  if (parts.whitespace) clean = cleanWhitespace(clean);
  if (parts.hyphenation) clean = joinDivided(clean, compounds);
  return clean;
}

/** Runs of blanks become one, lines are trimmed, at most one empty line stays between two. */
function cleanWhitespace(text: string): string {
  return text
    .replace(BLANKS, " ")
    .replace(/ ?\n ?/g, "\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

/**
 * Joins words that were divided at a line's end. The hyphen goes only before a lower-case letter, and stays where the
 * document writes the word with one elsewhere: `Rhein-\nMain` is a compound in any language. In `pre-\nand post-war`
 * nothing is divided.
 */
function joinDivided(text: string, compounds: Compounds): string {
  if (!text.includes("\n")) return text;
  return text.replace(
    /(?<=\p{L})([-\u2010])[^\S\n]*\n[^\S\n]*(?=(\p{L}+))/gu,
    (match, hyphen: string, next: string, at: number) => {
      if (CONJUNCTION.test(next)) return `${hyphen} `;
      if (!/\p{Ll}$/u.test(text.slice(0, at)) || !/^\p{Ll}/u.test(next)) return hyphen;
      const before = /\p{L}+$/u.exec(text.slice(Math.max(0, at - NEIGHBOUR), at))?.[0] ?? "";
      const after = /^\p{L}+/u.exec(text.slice(at + match.length, at + match.length + NEIGHBOUR))?.[0] ?? "";
      return compounds.has(`${before}-${after}`.toLowerCase()) ? hyphen : "";
    },
  );
}

/** The hyphenated words of the texts; stops collecting at 50,000. */
export function collectCompounds(texts: Iterable<string>): Compounds {
  const compounds = new Set<string>();
  for (const text of texts) {
    if (!text.includes("-") && !text.includes("\u2010")) continue;
    for (const match of text.matchAll(/(?<!\p{L})(\p{L}{1,40})[-\u2010](\p{L}{1,40})(?!\p{L})/gu)) {
      if (compounds.size >= MAX_COMPOUNDS) return compounds;
      compounds.add(`${match[1]}-${match[2]}`.toLowerCase());
    }
  }
  return compounds;
}
