/** Shares from 0 to 1, weighed by characters; blanks count nowhere. */
export interface TextQuality {
  /** Not U+FFFD, not private use, not a glyph name a reader leaves behind. */
  legible: number;
  /** Not a control character, not an unassigned code point. */
  printable: number;
  /** In words that could be words. */
  plausible: number;
  /** Code points judged. */
  characters: number;
  /** Those of them that are legible and printable. */
  sound: number;
}

const BROKEN = /[\uFFFD\p{Co}\p{Cs}]/u;
const BROKEN_ALL = /[\uFFFD\p{Co}\p{Cs}]/gu;
const UNPRINTABLE = /(?!\s)[\p{Cc}\p{Cn}]/gu;
const PAIRS = /[\uD800-\uDBFF][\uDC00-\uDFFF]/g;
const GLYPH_NAME = /\(cid:\d+\)|GLYPH<[^>\s]*>|\/[gG]\d{1,4}(?!\w)/g;
/** UTF-8 that was read as Windows-1252 or Latin-1. */
const MOJIBAKE = /[ÃÂâ][\u0080-\u00BF€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ¡-¿]|ï¿½/;
const VOWEL = /[aeiouyæœøıəаеёиоуыэюяієўαεηιουω]/i;
/** Words that live without a vowel. */
const BARE = /^(https?|html|xhtml|xml|psst|hmmm+)$/i;
const LATIN = /\p{Script=Latin}/u;
const OTHER_ALPHABET = /[\p{Script=Cyrillic}\p{Script=Greek}]/u;
/** Pairs of letters that no language written in Latin letters uses inside a word. */
const IMPOSSIBLE =
  /[jqvwxz]q|q[bcdfghjklmnpqrstvxyz]|[jx][jxz]|[vwz]x|xk|k[xq]|[gdfbp]x|zj[^aeiou]|jv[^aeiou]|vj[^aeiou]|wv|vw[^aeiou]|fq|hx|([acdghjkquvxyz])\1\1/i;
/** Longest run without a vowel in a real word; German compounds come to eight. */
const CONSONANTS = /[bcdfghjklmnpqrstvwxz]{9}/i;
const MAX_WORD_CHARACTERS = 45;

/** Above this share of plausible characters prose is as good as it gets: names, codes and units are in every text. */
const ENOUGH_PLAUSIBLE = 0.95;

/**
 * Judges text. Replacing any character by a broken one, blanks included, lowers or keeps every share.
 * @param code formulas and program text of the same page, whose words need not look like words
 */
export function judgeText(text: string, code = ""): TextQuality {
  const prose = countSigns(text, isPlausible);
  const other = countSigns(code, isWhole);
  const characters = prose.characters + other.characters;
  if (characters === 0) return { legible: 1, printable: 1, plausible: 1, characters, sound: 0 };
  const unprintable = prose.unprintable + other.unprintable;
  return {
    legible: Math.max(0, 1 - (prose.broken + other.broken) / characters),
    printable: Math.max(0, 1 - unprintable / characters),
    plausible: Math.min(1, (prose.plausible + other.plausible) / characters / ENOUGH_PLAUSIBLE),
    characters,
    sound: Math.max(0, characters - unprintable),
  };
}

function countSigns(text: string, plausibleToken: (token: string) => boolean) {
  let characters = 0;
  let plausible = 0;
  for (const { 0: token } of text.matchAll(/\S+/g)) {
    const length = token.length - count(token, PAIRS);
    characters += length;
    if (plausibleToken(token)) plausible += length;
  }
  const broken = count(text, BROKEN_ALL);
  return {
    characters,
    plausible,
    unprintable: count(text, UNPRINTABLE) + broken,
    // A glyph name stands for one sign.
    broken: broken + count(text, GLYPH_NAME),
  };
}

/** True for what could be a word, a number or a sign; scripts without a rule here are taken as they are. */
export function isPlausible(token: string): boolean {
  if (!isWhole(token) || MOJIBAKE.test(token) || token.search(GLYPH_NAME) !== -1) return false;
  // Addresses, paths and codes are made of parts.
  for (const { 0: word } of token.matchAll(/\p{L}+/gu)) {
    if (!isPlausibleWord(word)) return false;
  }
  return true;
}

function isWhole(token: string): boolean {
  return !BROKEN.test(token) && !/[\p{Cc}\p{Cn}]/u.test(token);
}

function isPlausibleWord(word: string): boolean {
  const bare = word.normalize("NFD").replace(/\p{M}/gu, "");
  if (!LATIN.test(word)) return !OTHER_ALPHABET.test(word) || word.length < 5 || VOWEL.test(bare);
  if (OTHER_ALPHABET.test(word) && word.length > 2) return false;
  if (word.length > MAX_WORD_CHARACTERS) return false;
  if (word.length <= 3 || word === word.toUpperCase() || BARE.test(word)) return true;
  return VOWEL.test(bare) && !IMPOSSIBLE.test(bare) && !CONSONANTS.test(bare);
}

function count(text: string, pattern: RegExp): number {
  let found = 0;
  pattern.lastIndex = 0;
  while (pattern.test(text)) found++;
  return found;
}
