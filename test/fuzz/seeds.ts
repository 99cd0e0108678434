import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { ROOT } from "../support/processes.ts";

/** A healthy document to begin with. */
export interface Seed {
  readonly name: string;
  /** The ending of its name, without the dot. */
  readonly format: string;
  readonly bytes: Buffer;
}

const FOLDERS = [
  "test/fixtures/corpus",
  "test/fixtures/office",
  "test/fixtures/pdf",
  "bench/corpus/documents/files",
];
const NO_DOCUMENTS: ReadonlySet<string> = new Set([".ts", ".json"]);
/** Larger ones say no more and take longer. */
const MOST_BYTES = 256 * 1024;

/** The documents of the repository, in the order of their names. */
export function readSeeds(): Seed[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .sort()
      .filter((name) => !(NO_DOCUMENTS.has(extname(name)) && !folder.startsWith("bench")))
      .filter((name) => !/^(README|LICENSES)\.md$/.test(name))
      .map((name) => ({
        name,
        format: extname(name).slice(1),
        bytes: readFileSync(join(ROOT, folder, name)),
      })),
  ).filter(({ bytes }) => bytes.length <= MOST_BYTES);
}
