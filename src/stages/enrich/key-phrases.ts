import { wordsOf } from "./counts.ts";
import { stopWords } from "./stop-words.ts";

const MAX_PHRASES = 15;
const MAX_WORDS_IN_PHRASE = 4;
/** Words that are looked at, from the start. */
const MAX_WORDS = 200_000;
const MAX_CANDIDATES = 50_000;
const MAX_WORD = 40;
const THREE_LETTERS = /\p{L}.*\p{L}.*\p{L}/u;
const SIGN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;

interface Candidate {
  words: string[];
  count: number;
  first: number;
}

interface Collected {
  candidates: Candidate[];
  /** Of each word, the mean length of its runs. */
  scores: Map<string, number>;
}

/**
 * Up to 15 phrases that say what the text is about, best first, in lower case.
 *
 * RAKE (Rose et al. 2010), changed in two ways. Runs are words between stop words, punctuation and line ends;
 * candidates are the runs and their parts of one to four words, so that `coral reefs` is found in
 * `coral reefs protect`. A word scores degree / frequency, where degree adds up the lengths (at most four) of the
 * runs it stands in. A phrase scores the sum over its words times log2 of the times it occurs plus one: without
 * that factor RAKE favours whatever is long and occurs once. Phrases that occur once only count where fewer than
 * three occur twice. Ties go to the earlier phrase; one that shares more than half its words with a better one is
 * left out.
 * Languages without a stop word list here have only punctuation to part runs; Chinese and Japanese give none.
 */
export function keyPhrases(text: string, language: string): string[] {
  const { candidates, scores } = collect(text, stopWords(language));
  const repeated = candidates.filter((candidate) => candidate.count > 1);
  const scored = (repeated.length >= 3 ? repeated : candidates).map((candidate) => ({
    words: candidate.words,
    first: candidate.first,
    score:
      candidate.words.reduce((sum, word) => sum + (scores.get(word) ?? 0), 0) *
      Math.log2(1 + candidate.count),
  }));
  scored.sort((a, b) => b.score - a.score || a.first - b.first);
  const best: string[][] = [];
  for (const { words } of scored) {
    if (best.length >= MAX_PHRASES) break;
    if (!best.some((better) => mostlyIn(words, better))) best.push(words);
  }
  return best.map((words) => words.join(" "));
}

function mostlyIn(words: readonly string[], better: readonly string[]): boolean {
  return words.filter((word) => better.includes(word)).length > words.length / 2;
}

function collect(text: string, stops: ReadonlySet<string>): Collected {
  const candidates = new Map<string, Candidate>();
  const degrees = new Map<string, { degree: number; frequency: number }>();
  let run: string[] = [];
  let lastEnd = 0;
  let seen = 0;
  const close = () => {
    for (const [at, word] of run.entries()) {
      const known = degrees.get(word) ?? { degree: 0, frequency: 0 };
      known.degree += Math.min(run.length, MAX_WORDS_IN_PHRASE);
      known.frequency++;
      degrees.set(word, known);
      for (let length = 1; length <= MAX_WORDS_IN_PHRASE && at + length <= run.length; length++) {
        add(candidates, run.slice(at, at + length), seen);
      }
    }
    run = [];
  };
  for (const { word, start, end } of wordsOf(text)) {
    if (++seen > MAX_WORDS) break;
    // Anything but one blank or hyphen between two words parts runs.
    if (!/^[ \u00A0-]$/.test(text.slice(lastEnd, start))) close();
    lastEnd = end;
    if (stops.has(word) || SIGN.test(word) || !/\p{L}/u.test(word) || word.length > MAX_WORD) close();
    else run.push(word);
  }
  close();
  return {
    candidates: [...candidates.values()],
    scores: new Map([...degrees].map(([word, { degree, frequency }]) => [word, degree / frequency])),
  };
}

function add(candidates: Map<string, Candidate>, words: string[], first: number): void {
  const phrase = words.join(" ");
  const known = candidates.get(phrase);
  if (known !== undefined) known.count++;
  else if (candidates.size < MAX_CANDIDATES && THREE_LETTERS.test(phrase))
    candidates.set(phrase, { words, count: 1, first });
}
