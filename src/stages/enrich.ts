import { z } from "zod";
import type { Block, Json } from "../extract/model.ts";
import { renderText } from "../extract/render.ts";
import { countBlocks, countText, readingTimeSeconds } from "./enrich/counts.ts";
import { keyPhrases } from "./enrich/key-phrases.ts";
import { detectLanguage, loadDetector } from "./enrich/language.ts";
import { stageOptions } from "./options.ts";
import type { Stage, WorkingDocument } from "./stage.ts";

const MAX_TITLE_CHARACTERS = 300;
const MAX_LINKS = 1_000;
const MAX_LINK_CHARACTERS = 2_048;

const Options = z.strictObject({
  language: z.boolean().default(true),
  /** Words, characters, pages, tables, headings, images. */
  counts: z.boolean().default(true),
  title: z.boolean().default(true),
  author: z.boolean().default(true),
  /** Dates of creation and change. */
  dates: z.boolean().default(true),
  links: z.boolean().default(true),
  key_phrases: z.boolean().default(true),
  reading_time: z.boolean().default(true),
});

/** Finds out facts about the document, into `facts`; what is not known is left out. */
export const enrichStage: Stage<z.output<typeof Options>> = {
  type: "enrich",
  version: 1,
  description: "Finds language, counts, title, author, dates, links, key phrases and reading time.",
  ...stageOptions(Options),
  async warm() {
    await loadDetector();
  },
  async run(document, { options, progress }) {
    const blocks = document.blocks ?? [];
    const { text } = renderText(blocks);
    const facts: { [key: string]: Json } = { ...document.facts };
    progress(0.1);
    const language = options.language || options.key_phrases ? await detectLanguage(text) : null;
    progress(0.3);
    if (options.language && language !== null) {
      facts.language = language.language;
      facts.languageConfidence = language.confidence;
      facts.languageReliable = language.reliable;
    }
    const counts = countText(text);
    progress(0.6);
    if (options.counts) {
      Object.assign(facts, {
        words: counts.words,
        characters: counts.characters,
        pages: document.pages?.length ?? document.properties.pageCount ?? 0,
        tables: countBlocks(blocks, "table"),
        headings: countBlocks(blocks, "heading"),
        images: countBlocks(blocks, "image"),
      });
    }
    if (options.reading_time) facts.readingTimeSeconds = readingTimeSeconds(counts);
    if (options.key_phrases) facts.keyPhrases = keyPhrases(text, language?.language ?? "");
    Object.assign(facts, ownFacts(document, blocks, options));
    return { facts };
  },
};

function ownFacts(
  { properties, source }: WorkingDocument,
  blocks: readonly Block[],
  options: z.output<typeof Options>,
): { [key: string]: Json } {
  const facts: { [key: string]: Json } = {};
  if (options.title) {
    const title = titleOf(properties.title, blocks, source.filename);
    if (title !== null) Object.assign(facts, title);
  }
  if (options.author && properties.authors !== undefined) facts.authors = properties.authors;
  if (options.dates && properties.created !== undefined) facts.created = properties.created;
  if (options.dates && properties.modified !== undefined) facts.modified = properties.modified;
  if (options.links) facts.links = linksOf(properties.links ?? [], blocks);
  return facts;
}

/** What the document says, else its highest heading among the first, else its file's name without the ending. */
function titleOf(
  own: string | undefined,
  blocks: readonly Block[],
  filename: string,
): { title: string; titleSource: string } | null {
  const said = line(own ?? "");
  if (said !== "" && !/^(untitled|microsoft word - )/i.test(said))
    return { title: said, titleSource: "properties" };
  const headings = blocks
    .slice(0, 200)
    .filter((block) => block.type === "heading" && line(block.text) !== "");
  let best: Extract<Block, { type: "heading" }> | undefined;
  for (const heading of headings) {
    if (heading.type === "heading" && (best === undefined || heading.level < best.level)) best = heading;
  }
  if (best !== undefined) return { title: line(best.text), titleSource: "heading" };
  const name = line(filename.replace(/^.*[\\/]/, "").replace(/\.[A-Za-z0-9]{1,8}$/, ""));
  return name === "" ? null : { title: name, titleSource: "filename" };
}

function line(text: string): string {
  return text.replace(/\s+/g, " ").trim().slice(0, MAX_TITLE_CHARACTERS);
}

/** Links the extractor noted and addresses that stand in the text; each once, at most 1,000. */
function linksOf(noted: readonly string[], blocks: readonly Block[]): string[] {
  const links = new Set(noted.slice(0, MAX_LINKS).filter((link) => link.length <= MAX_LINK_CHARACTERS));
  for (const block of blocks) {
    if (links.size >= MAX_LINKS) break;
    if (!("text" in block) || block.type === "code") continue;
    for (const match of block.text.matchAll(/https?:\/\/[^\s<>"'\])}]{4,2000}/g)) {
      links.add(match[0].replace(/[.,;:!?]+$/, ""));
      if (links.size >= MAX_LINKS) break;
    }
  }
  return [...links];
}
