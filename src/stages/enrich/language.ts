/** Characters that are looked at; more does not make the answer better. */
const SAMPLE_CHARACTERS = 24_000;
const SAMPLES = 3;
const LEAST_LETTERS = 12;

export interface DetectedLanguage {
  /** ISO 639-1. */
  language: string;
  /** The detector's score of the language, from 0 to 1. */
  confidence: number;
  /** The detector stands by its answer: enough text, and no other language close behind. */
  reliable: boolean;
}

/** The detector with its data: about half a second the first time. */
export async function loadDetector() {
  const { default: eld } = await import("eld/small");
  return eld;
}

/** The main language of a text, judged by samples of its start, middle and end; null for too little text. */
export async function detectLanguage(text: string): Promise<DetectedLanguage | null> {
  const sample = sampleOf(text);
  if ((sample.match(/\p{L}/gu)?.length ?? 0) < LEAST_LETTERS) return null;
  const eld = await loadDetector();
  const result = eld.detect(sample);
  if (result.language === "") return null;
  const confidence = result.getScores()[result.language] ?? 0;
  return {
    language: result.language,
    confidence: Math.round(Math.min(1, confidence) * 1_000) / 1_000,
    reliable: result.isReliable(),
  };
}

function sampleOf(text: string): string {
  if (text.length <= SAMPLE_CHARACTERS) return text;
  const size = SAMPLE_CHARACTERS / SAMPLES;
  const step = (text.length - size) / (SAMPLES - 1);
  return Array.from({ length: SAMPLES }, (_, i) =>
    text.slice(Math.floor(i * step), Math.floor(i * step) + size),
  ).join(" ");
}
