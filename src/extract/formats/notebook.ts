import { DocumentFault } from "../errors.ts";
import type { ExtractInput, Extractor } from "../extractor.ts";
import { type OutputBudget, outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Block, DocumentProperties, Json } from "../model.ts";
import { readText } from "../read-text.ts";
import { htmlDocument } from "./html.ts";
import { parseJson } from "./json.ts";
import { markdownDocument } from "./markdown.ts";
import { append } from "./ooxml/append.ts";

type JsonObject = { [key: string]: Json };

const MAX_LINKS = 10_000;

/** Jupyter notebooks: Markdown as Markdown, code in the language of the kernel, what the code printed. */
export const extractor: Extractor = {
  name: "notebook",
  mediaTypes: [MEDIA.ipynb],
  async extract(input) {
    const notebook = parseJson((await readText(input)).text, input.limits);
    const cells = cellsOf(notebook);
    if (cells === undefined)
      throw new DocumentFault("DOCUMENT_CORRUPT", "The notebook has no list of cells.");
    const metadata = objectOf(objectOf(notebook)?.metadata);
    const language =
      textOf(objectOf(metadata?.language_info)?.name) || textOf(objectOf(metadata?.kernelspec)?.language);
    const budget = outputBudget(input.limits.maxOutputCharacters);
    const blocks: Block[] = [];
    const links = new Set<string>();
    for (const [index, cell] of cells.entries()) {
      input.signal.throwIfAborted();
      if (index % 64 === 0) input.progress(index, cells.length, `cell ${index + 1} of ${cells.length}`);
      append(
        blocks,
        cellBlocks(cell, language, input, budget, (link) => links.size < MAX_LINKS && links.add(link)),
      );
    }
    const properties = notebookProperties(metadata, blocks);
    if (links.size > 0) properties.links = [...links];
    properties.extra = { cells: cells.length, ...(language !== "" && { language }) };
    return { blocks, properties, warnings: [] };
  },
};

const objectOf = (value: Json | undefined): JsonObject | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;

/** Text is written as a string, or as a list of lines with their ends. */
function textOf(value: Json | undefined): string {
  if (Array.isArray(value)) return value.filter((line) => typeof line === "string").join("");
  return typeof value === "string" ? value : "";
}

/** The cells; before version 4 of the format they lie in worksheets. */
function cellsOf(notebook: Json): JsonObject[] | undefined {
  const root = objectOf(notebook);
  const lists = [
    root?.cells,
    ...(Array.isArray(root?.worksheets) ? root.worksheets.map((sheet) => objectOf(sheet)?.cells) : []),
  ];
  const found = lists.filter((list): list is Json[] => Array.isArray(list));
  return found.length === 0
    ? undefined
    : found.flat().flatMap((cell): JsonObject[] => [objectOf(cell) ?? {}]);
}

function cellBlocks(
  cell: JsonObject,
  language: string,
  input: ExtractInput,
  budget: OutputBudget,
  onLink: (link: string) => void,
): Block[] {
  const source = textOf(cell.source ?? cell.input);
  if (cell.cell_type === "markdown") {
    const { blocks, properties } = markdownDocument(source, input, budget);
    for (const link of properties.links ?? []) onLink(link);
    return blocks;
  }
  budget.spend(source.length);
  if (cell.cell_type === "heading") {
    return [
      {
        type: "heading",
        level: Math.min(6, Number(cell.level) || 1),
        text: source.replace(/\s+/g, " ").trim(),
      },
    ];
  }
  if (cell.cell_type !== "code") return source.trim() === "" ? [] : [codeBlock(source, "")];
  const outputs = Array.isArray(cell.outputs) ? cell.outputs : [];
  return [
    ...(source.trim() === "" ? [] : [codeBlock(source, language)]),
    ...outputs.flatMap((output) => outputBlocks(objectOf(output) ?? {}, input, budget)),
  ];
}

const codeBlock = (text: string, language: string): Block => ({
  type: "code",
  text: text.replace(/\s+$/, ""),
  ...(language !== "" && { language }),
});

/** The best of the forms in which a cell's output is there. Pictures are passed over. */
function outputBlocks(output: JsonObject, input: ExtractInput, budget: OutputBudget): Block[] {
  const data = objectOf(output.data) ?? {};
  const markdown = textOf(data["text/markdown"]);
  if (markdown.trim() !== "") return markdownDocument(markdown, input, budget).blocks;
  const html = textOf(data["text/html"]);
  if (/<table/i.test(html)) return htmlDocument(html, input, budget).blocks;
  const error = output.output_type === "error" || output.output_type === "pyerr";
  const text = error
    ? `${textOf(output.ename)}: ${textOf(output.evalue)}`
    : textOf(data["text/plain"] ?? output.text);
  const plain = withoutColours(text);
  budget.spend(plain.length);
  return plain.trim() === "" ? [] : [codeBlock(plain, "")];
}

/** Terminals colour text by sequences that begin with Escape. */
function withoutColours(text: string): string {
  return text.includes("\u001b")
    ? text
        .split("\u001b")
        .map((part, i) => (i === 0 ? part : part.replace(/^\[[\d;]*[A-Za-z]/, "")))
        .join("")
    : text;
}

function notebookProperties(metadata: JsonObject | undefined, blocks: readonly Block[]): DocumentProperties {
  const properties: DocumentProperties = {};
  const heading = blocks.find((block) => block.type === "heading");
  const title = textOf(metadata?.title) || (heading?.level === 1 ? heading.text : "");
  if (title !== "") properties.title = title;
  const authors = Array.isArray(metadata?.authors) ? metadata.authors : [];
  const names = authors.map((author) => textOf(objectOf(author)?.name)).filter((name) => name !== "");
  if (names.length > 0) properties.authors = names.slice(0, 100);
  return properties;
}
