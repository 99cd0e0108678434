import type { RootContent } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { frontmatterFromMarkdown } from "mdast-util-frontmatter";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { mathFromMarkdown } from "mdast-util-math";
import { frontmatter } from "micromark-extension-frontmatter";
import { gfm } from "micromark-extension-gfm";
import { math } from "micromark-extension-math";
import { DocumentFault, LimitFault } from "../errors.ts";
import type { ExtractInput, ExtractLimits, Extractor } from "../extractor.ts";
import { type OutputBudget, outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { ExtractedDocument } from "../model.ts";
import { readText } from "../read-text.ts";
import { markdownBlocks } from "./markdown/blocks.ts";
import { frontMatterProperties } from "./markdown/front-matter.ts";

const MAX_CHARACTERS = 16 * 1024 * 1024;

/** CommonMark with GitHub's extensions, formulas and front matter. */
export const extractor: Extractor = {
  name: "markdown",
  mediaTypes: [MEDIA.markdown],
  async extract(input) {
    const { text, encoding } = await readText(input);
    const document = markdownDocument(text, input, outputBudget(input.limits.maxOutputCharacters));
    document.properties.extra = { ...document.properties.extra, encoding };
    return document;
  },
};

/**
 * Reads Markdown that is already text; other formats hold such parts too.
 * @throws DocumentFault `DOCUMENT_TOO_LARGE`, `LIMIT_EXCEEDED`
 */
export function markdownDocument(
  text: string,
  { options, limits }: Pick<ExtractInput, "options" | "limits">,
  budget: OutputBudget,
): ExtractedDocument {
  if (text.length > MAX_CHARACTERS) {
    throw new DocumentFault(
      "DOCUMENT_TOO_LARGE",
      `The Markdown has ${text.length} characters; ${MAX_CHARACTERS} are allowed.`,
    );
  }
  const nodes = parse(text, limits);
  const links: string[] = [];
  const blocks = markdownBlocks(nodes, {
    includeTables: options.includeTables,
    maxDepth: limits.maxDepth,
    budget,
    onLink: (address) => links.length < 10_000 && links.push(address),
  });
  const head = nodes[0];
  const properties = frontMatterProperties(
    head && "value" in head && head.type === ("yaml" as string) ? head.value : "",
  );
  if (links.length > 0) properties.links = [...new Set(links)];
  return { blocks, properties, warnings: [] };
}

function parse(text: string, limits: ExtractLimits): RootContent[] {
  assertDepth(text, limits.maxDepth);
  return fromMarkdown(text, {
    extensions: [gfm(), math(), frontmatter(["yaml", "toml"])],
    mdastExtensions: [gfmFromMarkdown(), mathFromMarkdown(), frontmatterFromMarkdown(["yaml", "toml"])],
  }).children;
}

/**
 * The parser's time grows with the square of the nesting: lines that open more quotes, lists or brackets than
 * any author does are refused before.
 */
function assertDepth(text: string, maxDepth: number): void {
  const containers = text.matchAll(/^(?:[ \t]{0,4}(?:>|[-+*][ \t]|\d{1,9}[.)][ \t])){20,}|(?:!?\[){20,}/gm);
  for (const [opening] of containers) {
    const depth = opening.match(/[>[]|[-+*]|\d+[.)]/g)?.length ?? 0;
    if (depth > maxDepth) {
      throw new LimitFault("maxDepth", `The Markdown nests deeper than the ${maxDepth} levels allowed.`);
    }
  }
}
