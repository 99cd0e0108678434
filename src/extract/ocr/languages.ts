import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";

/** Read where a pipeline names none. */
const DEFAULT_LANGUAGE = "eng";
/** Tells the orientation of a page, not a language. */
export const ORIENTATION_DATA = "osd";
/** Integer weights: the accuracy of the best models in a third of their time. */
const VARIANT = "4.0.0_best_int";
const MAX_DATA_BYTES = 128 * 1024 * 1024;

let known: readonly string[] | undefined;

/**
 * Languages that text can be recognized in, sorted, as Tesseract names them (ISO 639-3, some with a script):
 * those whose package `@tesseract.js-data/…` is installed.
 */
export function installedLanguages(): readonly string[] {
  known ??= readdirSync(dataFolder())
    .filter((name) => name !== ORIENTATION_DATA && existsSync(dataPath(name)))
    .sort();
  return known;
}

/**
 * What Tesseract is to read: the languages joined by `+`, English where there are none.
 *
 * @throws Error that names a language that is not installed
 */
export function languagesOf(languages: readonly string[]): string {
  const missing = languages.find((language) => !installedLanguages().includes(language));
  if (missing !== undefined) throw new Error(notInstalled(missing));
  return languages.length === 0 ? DEFAULT_LANGUAGE : [...new Set(languages)].join("+");
}

/** Says which languages there are instead of `language`. */
export function notInstalled(language: string): string {
  return `The language ${language} is not installed for text recognition; installed are ${installedLanguages().join(", ")}.`;
}

/** The trained data of one language. */
export async function languageData(language: string): Promise<Uint8Array> {
  return gunzipSync(await readFile(dataPath(language)), { maxOutputLength: MAX_DATA_BYTES });
}

function dataFolder(): string {
  const english = createRequire(import.meta.url).resolve(
    `@tesseract.js-data/${DEFAULT_LANGUAGE}/package.json`,
  );
  return dirname(dirname(english));
}

function dataPath(language: string): string {
  return join(dataFolder(), language, VARIANT, `${language}.traineddata.gz`);
}
