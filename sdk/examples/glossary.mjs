// Counts how often the terms of a glossary stand in a document, and marks those that are wanted.
// Start servers and workers with `--stages glossary.mjs`; a pipeline names the stage as
//   custom: { type: glossary, options: { terms: [lease, tenant], mark: true } }

/** @typedef {{ terms: string[], mark: boolean }} Options */

/** @type {import("@sluice/sdk").CustomStage<Options>} */
const glossary = {
  name: "glossary",
  version: 1,
  description: "Counts the terms of a glossary and marks them.",
  optionsSchema: {
    type: "object",
    required: ["terms"],
    additionalProperties: false,
    properties: {
      terms: {
        type: "array",
        minItems: 1,
        maxItems: 100,
        items: { type: "string", minLength: 1, maxLength: 100 },
      },
      mark: { type: "boolean", default: false },
    },
  },
  run({ options, text, blocks }, { progress, log }) {
    /** @type {{ [term: string]: number }} */
    const found = {};
    for (const [index, term] of options.terms.entries()) {
      found[term] = text.split(term).length - 1;
      if (found[term] === 0) log("warn", `The term ${term} does not occur.`);
      progress((index + 1) / options.terms.length, term);
    }
    if (!options.mark) return { metadata: { found } };
    const marked = (/** @type {string} */ part) =>
      options.terms.reduce((done, term) => done.replaceAll(term, `[${term}]`), part);
    return {
      metadata: { found },
      blocks: blocks.map((block) =>
        block.type === "paragraph"
          ? { type: "paragraph", text: marked(block.text), ...(block.page && { page: block.page }) }
          : block,
      ),
    };
  },
};

export const stages = [glossary];
