import { parseFragment } from "parse5";

/** How well one text gives back the words of another; each from 0 to 1. */
export interface Score {
  readonly f1: number;
  readonly precision: number;
  readonly recall: number;
}

/**
 * Word-level score: NFKC, lower case, links and tags removed, bags of words. The order of words counts for nothing;
 * the runs of words of `missingRuns` look at that.
 */
export function scoreText(got: string, expected: string): Score {
  const gotWords = wordsOf(got);
  const wanted = new Map<string, number>();
  const expectedWords = wordsOf(expected);
  for (const word of expectedWords) wanted.set(word, (wanted.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of gotWords) {
    const left = wanted.get(word) ?? 0;
    if (left === 0) continue;
    wanted.set(word, left - 1);
    common++;
  }
  const precision = common / Math.max(1, gotWords.length);
  const recall = common / Math.max(1, expectedWords.length);
  return { f1: common === 0 ? 0 : (2 * precision * recall) / (precision + recall), precision, recall };
}

/** Those of the runs of words that the text has nowhere, word for word in a row. */
export function missingRuns(text: string, runs: readonly string[]): string[] {
  const flat = ` ${wordsOf(text).join(" ")} `;
  return runs.filter((run) => !flat.includes(` ${wordsOf(run).join(" ")} `));
}

/** Letters and digits in a row, in the order of the text. */
export function wordsOf(text: string): string[] {
  const plain = decodeReferences(text)
    .replace(/<!--.*?-->/gs, " ")
    .replace(/!\[[^\]]*\]\([^)]*\)/g, " ")
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/<\/?[a-zA-Z][^>]*>/g, " ");
  return (
    plain
      .normalize("NFKC")
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

/** Character references of HTML as the characters they stand for. */
function decodeReferences(text: string): string {
  if (!text.includes("&")) return text;
  // In a title no tag is one, and a reference still is.
  const [title] = parseFragment(`<title>${text.replaceAll("<", "&lt;")}</title>`).childNodes;
  const [content] = title && "childNodes" in title ? title.childNodes : [];
  return content && "value" in content ? content.value : "";
}
