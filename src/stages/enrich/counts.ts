import type { Block } from "../../extract/model.ts";

export interface Counts {
  /** Runs of letters and digits; every Han, Hiragana and Katakana sign is a word. */
  words: number;
  /** Those of `words` that are single signs of Chinese or Japanese. */
  signs: number;
  /** UTF-16 code units of the rendered text. */
  characters: number;
}

const WORD =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[\p{L}\p{N}][\p{L}\p{N}\p{M}]*(?:['’\-_.][\p{L}\p{N}][\p{L}\p{N}\p{M}]*)*/gu;
const SIGN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/gu;

/** Words per minute of silent reading (Brysbaert 2019, English non-fiction) and signs per minute of Chinese. */
const WORDS_PER_MINUTE = 238;
const SIGNS_PER_MINUTE = 260;

export function countText(text: string): Counts {
  let words = 0;
  let signs = 0;
  WORD.lastIndex = 0;
  // test, not match: a list of all words of a large text takes many times its memory.
  while (WORD.test(text)) words++;
  SIGN.lastIndex = 0;
  while (SIGN.test(text)) signs++;
  return { words, signs: Math.min(signs, words), characters: text.length };
}

/** Seconds a person needs to read it, rounded up. */
export function readingTimeSeconds({ words, signs }: Counts): number {
  return Math.ceil(((words - signs) / WORDS_PER_MINUTE) * 60 + (signs / SIGNS_PER_MINUTE) * 60);
}

/** How many blocks there are of a kind. */
export function countBlocks(blocks: readonly Block[], type: Block["type"]): number {
  return blocks.reduce((sum, block) => sum + (block.type === type ? 1 : 0), 0);
}

/** The words of a text one by one, in lower case, with where they stand. */
export function* wordsOf(text: string): Generator<{ word: string; start: number; end: number }> {
  for (const match of text.matchAll(WORD)) {
    yield { word: match[0].toLowerCase(), start: match.index, end: match.index + match[0].length };
  }
}
