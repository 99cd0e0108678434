import type { ExtractInput, Extractor } from "../extractor.ts";
import { type OutputBudget, outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Block, ExtractedDocument, Warning } from "../model.ts";
import { readText } from "../read-text.ts";
import { htmlBlocks } from "./html/blocks.ts";
import { mainContent } from "./html/main-content.ts";
import { htmlProperties } from "./html/properties.ts";
import { type HtmlNode, parseHtml } from "./html/tree.ts";

const MAX_LINKS = 10_000;

/** Web pages: whole, or only their main content. */
export const extractor: Extractor = {
  name: "html",
  mediaTypes: [MEDIA.html, MEDIA.xhtml],
  async extract(input) {
    const { text } = await readText(input);
    return htmlDocument(text, input, outputBudget(input.limits.maxOutputCharacters));
  },
};

/** Reads a page that is already text; other formats hold such parts too. */
export function htmlDocument(
  html: string,
  { options, limits }: Pick<ExtractInput, "options" | "limits">,
  budget: OutputBudget,
): ExtractedDocument {
  const document = parseHtml(html, limits.maxDepth);
  const properties = htmlProperties(document);
  const warnings: Warning[] = [];
  const links = new Set<string>();
  const convert = (root: { childNodes: HtmlNode[] }): Block[] =>
    htmlBlocks(root, {
      includeTables: options.includeTables,
      budget,
      onLink: (address) =>
        links.size < MAX_LINKS && /^(https?|mailto|ftp):/i.test(address) && links.add(address),
    });
  const main = options.mainContentOnly ? mainContent(html) : undefined;
  if (options.mainContentOnly && main === undefined) {
    warnings.push({
      code: "NO_MAIN_CONTENT",
      message: "No main content stands out on the page; all of it was read.",
    });
  }
  const blocks = convert(main === undefined ? document : parseHtml(main, limits.maxDepth));
  if (links.size > 0) properties.links = [...links];
  return { blocks, properties, warnings };
}
