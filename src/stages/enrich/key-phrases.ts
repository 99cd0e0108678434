import { wordsOf } from "./counts.ts";
import { stopWords } from "./stop-words.ts";

const MAX_PHRASES = 15;
const MAX_WORDS_IN_PHRASE = 4;
/** Words that are looked at, from the start. */
const MAX_WORDS = 200_000;
const MAX_CANDIDATES = 50_000;
const MIN_SCRIPT_LETTERS = /\p{L}.*\p{L}.*\p{L}/u;
const SIGN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;

interface Candidate {
  words: string[];
  count: number;
  first: number;
}

/**
 * Up to 15 phrases that say what the text is about, best first, in lower case.
 *
 * RAKE (Rose et al. 2010), with two changes. Candidates are runs of one to four words between stop words,
 * punctuation and line ends. A word scores degree / frequency, where degree adds up the lengths of the
 * candidates it stands in. A phrase scores the sum over its words times log2(1 + times it occurs): without that
 * factor RAKE favours whatever is long and occurs once. Phrases that occur once only count where nothing occurs
 * twice. Ties go to the earlier phrase; a phrase inside a better one is left out.
 * Languages without a stop word list here have only punctuation to part phrases; Chinese and Japanese give none.
 */
export function keyPhrases(text: string, language: string): string[] {
  const candidates = collect(text, stopWords(language));
  const repeated = candidates.filter((candidate) => candidate.count > 1);
  const scores = wordScores(candidates);
  const scored = (repeated.length >= 3 ? repeated : candidates).map((candidate) => ({
    phrase: candidate.words.join(" "),
    first: candidate.first,
    score:
      candidate.words.reduce((sum, word) => sum + (scores.get(word) ?? 0), 0) *
      Math.log2(1 + candidate.count),
  }));
  scored.sort((a, b) => b.score - a.score || a.first - b.first);
  const best: string[] = [];
  for (const { phrase } of scored) {
    if (best.length >= MAX_PHRASES) break;
    if (!best.some((better) => ` ${better} `.includes(` ${phrase} `))) best.push(phrase);
  }
  return best;
}

function collect(text: string, stops: ReadonlySet<string>): Candidate[] {
  const candidates = new Map<string, Candidate>();
  let run: string[] = [];
  let lastEnd = 0;
  let seen = 0;
  const close = () => {
    const phrase = run.join(" ");
    if (run.length > 0 && run.length <= MAX_WORDS_IN_PHRASE && MIN_SCRIPT_LETTERS.test(phrase)) {
      const known = candidates.get(phrase);
      if (known !== undefined) known.count++;
      else if (candidates.size < MAX_CANDIDATES)
        candidates.set(phrase, { words: run, count: 1, first: seen });
    }
    run = [];
  };
  for (const { word, start, end } of wordsOf(text)) {
    if (++seen > MAX_WORDS) break;
    // Anything but one blank or hyphen between two words parts phrases.
    if (!/^[ \u00A0-]?$/.test(text.slice(lastEnd, start)) || start === lastEnd) close();
    lastEnd = end;
    if (stops.has(word) || SIGN.test(word) || !/\p{L}/u.test(word) || word.length > 40) close();
    else run.push(word);
  }
  close();
  return [...candidates.values()];
}

function wordScores(candidates: readonly Candidate[]): Map<string, number> {
  const degree = new Map<string, number>();
  const frequency = new Map<string, number>();
  for (const { words, count } of candidates) {
    for (const word of words) {
      degree.set(word, (degree.get(word) ?? 0) + words.length * count);
      frequency.set(word, (frequency.get(word) ?? 0) + count);
    }
  }
  return new Map([...degree].map(([word, sum]) => [word, sum / (frequency.get(word) ?? 1)]));
}
