import { existsSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** A document with what others know of it. */
export interface CorpusDocument {
  readonly file: string;
  readonly path: string;
  /** By the ending of its name: what peers choose by. */
  readonly format: string;
  /** Its text as somebody wrote it down; null where it has to fail. */
  readonly expected: string | null;
  /** Runs of words that the text has in this order. */
  readonly must: readonly string[];
  /** How it has to end if not as a text, e.g. `FAILED DOCUMENT_ENCRYPTED`. */
  readonly outcome: string | null;
}

interface Entry {
  readonly file: string;
  readonly expected: string | null;
  readonly must: readonly string[];
  readonly outcome?: string;
}

/** The documents in this repository. */
export const OWN_CORPUS = fileURLToPath(new URL("documents", import.meta.url));

const SAME_FORMAT: Readonly<Record<string, string>> = {
  htm: "html",
  nxml: "jats",
  tsv: "csv",
  xlsm: "xlsx",
  atom: "rss",
  ndjson: "json",
};

/**
 * The documents of a folder with a `manifest.json`, `files/` and `expected/`.
 * @throws Error when there is no such folder
 */
export function readCorpus(folder: string): CorpusDocument[] {
  const manifest = join(folder, "manifest.json");
  if (!existsSync(manifest)) throw new Error(`There is no corpus at ${folder}: it has no manifest.json.`);
  return (JSON.parse(readFileSync(manifest, "utf8")) as Entry[]).map(({ file, expected, must, outcome }) => {
    const ending = extname(file).slice(1).toLowerCase();
    return {
      file,
      path: join(folder, "files", file),
      format: SAME_FORMAT[ending] ?? ending,
      expected: expected === null ? null : readFileSync(join(folder, "expected", expected), "utf8"),
      must,
      outcome: outcome ?? null,
    };
  });
}
