import type { Block, PageFacts, Warning } from "../../extract/model.ts";
import { renderText } from "../../extract/render.ts";
import type { Quality, WorkingDocument } from "../stage.ts";
import { judgeText, type TextQuality } from "./text-quality.ts";

export const DEFAULT_WEIGHTS = {
  coverage: 1,
  intact: 1,
  legible: 0.4,
  plausible: 0.35,
  printable: 0.25,
  ocr: 0.4,
} as const;

export type PartName = keyof typeof DEFAULT_WEIGHTS;

/** Warnings that say that something of the document is not in the text. */
const LOSS = /SKIPPED|TRUNCATED|LIMIT|UNREADABLE|NOT_READ|CORRUPT|DAMAGED|MISSING|LOST|FAILED/;
/** Formats whose empty pages may be pages that could not be read; in slides and sheets nothing hides. */
const LAID_OUT = /^(application\/pdf$|image\/)/;
const MAX_REASONS = 20;

/**
 * The score: how much of the document is in the text, and how sound that text is.
 *
 *     score = coverage^w × intact^w × mean of legible, plausible, printable, ocr by their weights
 *
 * - coverage: pages with text / pages. Pages with neither text nor images count only in PDF and images, where
 *   text may be there and unreadable. Without pages: 1 with any text, 0 without.
 * - intact: 1 / (1 + losses / 10); a loss is a warning that a part was skipped, cut or unreadable, or a child
 *   document that was not read.
 * - legible, printable, plausible: shares of characters (see `judgeText`), judged page by page and averaged
 *   over the pages with text, so that losing a bad page never pays.
 * - ocr: mean word confidence over the pages with text; only where a page was read by OCR.
 *
 * Weights of coverage and intact are exponents (default 1), those of the others shares of their mean.
 * Replacing characters by broken ones, losing the text of a page or gaining a loss never raises the score.
 */
export function scoreDocument(
  document: WorkingDocument,
  weights: Readonly<Partial<Record<PartName, number>>> = {},
): Quality {
  const pages = textByPage(document);
  const all = pages.map((page) => ({ ...page, ...judgeText(page.text, page.code) }));
  // A page of broken signs alone has no text.
  const read = all.filter((page) => page.sound > 0);
  const losses = lossesOf(document);
  const ocr = read.filter((page) => page.ocrConfidence !== undefined);
  const values: [PartName, number][] = [
    ["coverage", pages.length === 0 ? 0 : read.length / pages.length],
    ["intact", 1 / (1 + losses.length / 10)],
    ["legible", mean(read.map((page) => page.legible))],
    ["plausible", mean(read.map((page) => page.plausible))],
    ["printable", mean(read.map((page) => page.printable))],
  ];
  if (ocr.length > 0) values.push(["ocr", mean(read.map((page) => page.ocrConfidence ?? 1))]);
  const parts = values.map(([name, value]) => ({
    name,
    value: round(value),
    weight: weights[name] ?? DEFAULT_WEIGHTS[name],
  }));

  const factors = parts.slice(0, 2).reduce((product, part) => product * part.value ** part.weight, 1);
  const shares = parts.slice(2);
  const weight = shares.reduce((sum, part) => sum + part.weight, 0);
  const soundness =
    weight === 0 ? 1 : shares.reduce((sum, part) => sum + part.value * part.weight, 0) / weight;
  const score = read.length === 0 ? 0 : round(factors * soundness);
  return { score, parts, reasons: reasonsOf(all, read, losses, parts) };
}

interface PageText {
  page: number;
  text: string;
  code: string;
  ocrConfidence?: number;
}

/** The text of each page that counts; one page without a number where the format has none. */
function textByPage(document: WorkingDocument): PageText[] {
  const blocks = document.blocks ?? [];
  const facts = document.pages ?? [];
  if (facts.length === 0) return [{ page: 0, ...textAndCode(blocks) }];
  const groups = new Map<number, Block[]>();
  for (const block of blocks) {
    const page = block.page ?? facts[0]?.page ?? 1;
    const group = groups.get(page);
    if (group === undefined) groups.set(page, [block]);
    else group.push(block);
  }
  const mayHide = LAID_OUT.test(document.mediaType ?? "");
  const pages = facts.map((fact) => pageText(fact, groups.get(fact.page) ?? []));
  const counted = pages.filter(
    (page, index) => page.text !== "" || page.code !== "" || mayHide || (facts[index]?.images ?? 0) > 0,
  );
  return counted.length === 0 ? pages : counted;
}

function pageText(fact: PageFacts, blocks: readonly Block[]): PageText {
  return {
    page: fact.page,
    ...textAndCode(blocks),
    ...(fact.ocrConfidence === undefined ? {} : { ocrConfidence: fact.ocrConfidence }),
  };
}

function textAndCode(blocks: readonly Block[]): { text: string; code: string } {
  const isCode = (block: Block) => block.type === "code" || block.type === "formula";
  return {
    text: renderText(blocks.filter((block) => !isCode(block))).text,
    code: renderText(blocks.filter(isCode)).text,
  };
}

function lossesOf(document: WorkingDocument): string[] {
  const warnings = document.warnings.filter((warning: Warning) => LOSS.test(warning.code));
  const children = (document.children ?? []).filter((child) => child.skipped !== undefined);
  return [
    ...warnings.map((warning) => warning.message),
    ...children.map((child) => `${child.name} was not read: ${child.skipped}`),
  ];
}

function reasonsOf(
  pages: readonly PageText[],
  read: readonly (PageText & TextQuality)[],
  losses: readonly string[],
  parts: Quality["parts"],
): string[] {
  const reasons: string[] = [];
  if (read.length === 0) reasons.push("The document has no text.");
  else if (read.length < pages.length) {
    const known = new Set(read.map((page) => page.page));
    const missing = pages.map((page) => page.page).filter((page) => !known.has(page));
    const named = missing.length > 10 ? "" : `: ${missing.join(", ")}`;
    reasons.push(
      `${missing.length} of ${pages.length} pages ${missing.length === 1 ? "has" : "have"} no text${named}.`,
    );
  }
  const characters = read.reduce((sum, page) => sum + page.characters, 0);
  const share = (name: string, words: string) => {
    const value = parts.find((part) => part.name === name)?.value ?? 1;
    if (read.length > 0 && value < 0.995)
      reasons.push(`${percent(1 - value)} of ${characters} characters ${words}.`);
  };
  share("legible", "are broken or have no meaning outside their font");
  share("plausible", "are in words that look wrong");
  share("printable", "are control characters or unassigned");
  const ocr = parts.find((part) => part.name === "ocr")?.value;
  if (ocr !== undefined && ocr < 0.995) reasons.push(`Text recognition is ${percent(ocr)} sure on average.`);
  for (const loss of losses.slice(0, MAX_REASONS - reasons.length)) reasons.push(loss.slice(0, 300));
  return reasons;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Down to six digits: enough to read, and the same order as before rounding. */
function round(value: number): number {
  return Math.floor(value * 1e6 + 1e-6) / 1e6;
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}
