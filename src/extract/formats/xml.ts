import type { Extractor } from "../extractor.ts";
import { outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Warning } from "../model.ts";
import { readText } from "../read-text.ts";
import { jatsBlocks, jatsChildren } from "./jats/article.ts";
import { jatsProperties } from "./jats/front.ts";
import { xmlBlocks } from "./xml-blocks.ts";
import { localName, parseXmlTree } from "./xml-tree.ts";

/** JATS articles as articles; any other XML by its text. */
export const extractor: Extractor = {
  name: "xml",
  mediaTypes: [MEDIA.xml, MEDIA.jats, MEDIA.svg],
  async extract(input) {
    const { text } = await readText(input);
    const { root, unknownEntities } = parseXmlTree(text, input.limits);
    const options = {
      includeTables: input.options.includeTables,
      maxDepth: input.limits.maxDepth,
      budget: outputBudget(input.limits.maxOutputCharacters),
    };
    const warnings: Warning[] = unknownEntities.map((name) => ({
      code: "ENTITY_NOT_EXPANDED",
      message: `The entity &${name}; is not known and was left as it is; entities a document declares are not expanded.`,
    }));
    if (input.mediaType === MEDIA.jats) {
      const children = jatsChildren(root, options);
      const article = { blocks: jatsBlocks(root, options), properties: jatsProperties(root), warnings };
      return children.length > 0 ? { ...article, children } : article;
    }
    const properties = { extra: { rootElement: localName(root) } };
    return { blocks: xmlBlocks(root, options), properties, warnings };
  },
};
