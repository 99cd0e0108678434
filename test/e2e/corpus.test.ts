import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSite, ROOT, type Site } from "../support/processes.ts";

/** An entry of a corpus's `manifest.json`. */
interface Entry {
  readonly file: string;
  /** Runs of four words, in lower case and without punctuation, that the text has in this order. */
  readonly must: readonly string[];
  /** How it has to end if not as a text, e.g. `FAILED DOCUMENT_ENCRYPTED`. */
  readonly outcome?: string;
}

/** A `result` line of `sluice submit --json`. */
interface Line {
  readonly type: string;
  readonly file: string;
  readonly status: string;
  readonly result?: { readonly extractedText?: string; readonly qualityScore?: number };
  readonly error?: { readonly reason?: string; readonly message: string };
}

const CORPORA = [
  { name: "the committed corpus", folder: join(ROOT, "test/fixtures/corpus"), least: 14 },
  { name: "the shared corpus", folder: join(ROOT, "../shared/corpus"), least: 30 },
];

/** Of the shared corpus: formats that the default pipeline reads, each with known text or a known refusal. */
const CHOSEN: ReadonlySet<string> = new Set([
  "2305.03393v1-pg9.pdf",
  "redp5110_sampled.pdf",
  "table_mislabeled_as_picture.pdf",
  "code_and_formula.pdf",
  "docx_code_blocks.docx",
  "docx_list_blank_spacer.docx",
  "docx_lists.docx",
  "omml_multi_equation_paragraph.docx",
  "table_with_equations.docx",
  "powerpoint_issue_2663.pptx",
  "powerpoint_sample.pptx",
  "pptx_chart.pptx",
  "xlsx_01.xlsx",
  "xlsx_03_chartsheet.xlsx",
  "xlsx_07_gap_tolerance_.xlsx",
  "xlsx_comments.xlsx",
  "example_01.html",
  "example_03.html",
  "example_05.html",
  "formatting.html",
  "html_description_list.html",
  "hyperlink_03.html",
  "csv-semicolon.csv",
  "csv-tab.csv",
  "blocks.md",
  "ending_with_table.md",
  "inline_and_formatting.md",
  "webvtt_example_01.vtt",
  "webvtt_example_03.vtt",
  "elife-56337.nxml",
  "eng_spa_mult.docx",
  "eng_spa_mult.eml",
  "eng_spa_mult.xml",
  "fake-text-utf-16-be.txt",
  "fake-text-utf-32.txt",
  "text_document_01.odt",
  "text_document_03.odt",
  "odf_table_with_title_01.ods",
  "odf_presentation_01.odp",
  "eng_spa_mult.odt",
  "eng_spa_mult.rtf",
  "epub_purvis_poetry.epub",
  "greek_heading_styles.doc",
  "legacy_sample.xls",
  "fake-email.msg",
  "password.pdf",
  "password_protected.xlsx",
]);

let site: Site;

beforeAll(async () => {
  site = await createSite();
  await site.serve();
});

afterAll(() => site[Symbol.asyncDispose]());

/** Lower case, words only, one blank between them; what looks like a tag counts for none, as in the runs. */
const wordsOf = (text: string): string => {
  const plain = text
    .replace(/<\/?[a-zA-Z][^>]*>/g, " ")
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll("_", " ");
  return ` ${(plain.match(/[\p{L}\p{M}\p{N}]+/gu) ?? []).join(" ")} `;
};

async function submit(folder: string, entries: readonly Entry[]): Promise<{ code: number; lines: Line[] }> {
  const paths = entries.map(({ file }) => {
    const inside = join(folder, "files", file);
    return existsSync(inside) ? inside : join(folder, file);
  });
  const { code, stdout } = await site.run("submit", ...paths, "--wait", "--json");
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line)
    .filter(({ type }) => type === "result")
    .map((line) => ({ ...line, file: basename(line.file) }));
  return { code, lines };
}

for (const { name, folder, least } of CORPORA) {
  const isThere = existsSync(join(folder, "manifest.json"));
  if (!isThere) process.stdout.write(`${name} is not at ${folder}: only the committed one is run\n`);

  describe.runIf(isThere)(name, () => {
    const manifest = isThere
      ? (JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as Entry[])
      : [];
    const entries = manifest.filter(({ file }) => least < 30 || CHOSEN.has(file));
    const readable = entries.filter(({ outcome }) => outcome === undefined);
    const locked = entries.filter(({ outcome }) => outcome !== undefined);

    test("one command completes every readable document with the words that it must have", async () => {
      expect(entries.length).toBeGreaterThanOrEqual(least);
      const { code, lines } = await submit(folder, readable);
      const ends = lines.map(({ file, status, error }) => `${file} ${status} ${error?.message ?? ""}`.trim());
      expect(ends).toEqual(readable.map(({ file }) => `${file} COMPLETED`));
      expect(code).toBe(0);
      const missing = lines.flatMap(({ file, result }, index) => {
        const words = wordsOf(result?.extractedText ?? "");
        const lost = (readable[index]?.must ?? []).filter((run) => !words.includes(` ${run} `));
        return words.trim() === "" ? [`${file}: no text`] : lost.map((run) => `${file}: ${run}`);
      });
      expect(missing).toEqual([]);
      expect(lines.filter(({ result }) => !(result?.qualityScore && result.qualityScore <= 1))).toEqual([]);
      process.stdout.write(`${name}: ${lines.length} documents in one command\n`);
    });

    test("one command refuses every locked document for the right reason", async () => {
      const { code, lines } = await submit(folder, locked);
      expect(lines.map(({ status, error }) => `${status} ${error?.reason}`)).toEqual(
        locked.map(({ outcome }) => outcome),
      );
      expect(code).toBe(1);
    });
  });
}
