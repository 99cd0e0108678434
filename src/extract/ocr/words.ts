import type { Block } from "../model.ts";

/** What was recognized on one page. */
export interface PageText {
  /** Paragraphs in reading order. */
  blocks: Block[];
  /** Characters of the text, blanks not counted. */
  characters: number;
  /** Mean confidence of its words from 0 to 1; absent where there is none. */
  confidence?: number;
}

const PARAGRAPH = "3";
const LINE = "4";
const WORD = "5";

/**
 * Reads Tesseract's table of words: words stand side by side in a line, lines follow each other in a paragraph. A
 * line that ends in a hyphen keeps its end, so that the normalize stage can join the word.
 */
export function readWords(tsv: string, page: number): PageText {
  const blocks: Block[] = [];
  let text = "";
  let line: string[] = [];
  let characters = 0;
  let words = 0;
  let confidence = 0;
  const endLine = () => {
    if (line.length === 0) return;
    const gap = text === "" ? "" : text.endsWith("-") ? "\n" : " ";
    text += gap + line.join(" ");
    line = [];
  };
  const endParagraph = () => {
    endLine();
    if (text !== "") blocks.push({ type: "paragraph", text, page });
    text = "";
  };
  for (const row of tsv.split("\n")) {
    const fields = row.split("\t");
    if (fields[0] === PARAGRAPH) endParagraph();
    else if (fields[0] === LINE) endLine();
    else if (fields[0] === WORD) {
      const word = fields.slice(11).join(" ").trim();
      if (word === "") continue;
      line.push(word);
      characters += word.length;
      words += 1;
      confidence += Math.min(100, Math.max(0, Number(fields[10]) || 0)) / 100;
    }
  }
  endParagraph();
  return { blocks, characters, ...(words === 0 ? {} : { confidence: round(confidence / words) }) };
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
