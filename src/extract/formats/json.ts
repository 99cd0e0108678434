import { DocumentFault, LimitFault } from "../errors.ts";
import type { ExtractLimits, Extractor } from "../extractor.ts";
import { createFlow, type Flow, outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Json, TableCell } from "../model.ts";
import { readText } from "../read-text.ts";

type JsonObject = { [key: string]: Json };
const MAX_COLUMNS = 100;
const [QUOTE, BACKSLASH, BRACKET, BRACE] = [0x22, 0x5c, 0x5b, 0x7b];

/** JSON as readable text: members as `key: value` items, nested by level; arrays of flat objects as tables. */
export const extractor: Extractor = {
  name: "json",
  mediaTypes: [MEDIA.json, MEDIA.ndjson],
  async extract(input) {
    const { text } = await readText(input);
    const value =
      input.mediaType === MEDIA.ndjson ? parseLines(text, input.limits) : parseJson(text, input.limits);
    const flow = createFlow(outputBudget(input.limits.maxOutputCharacters));
    write(value, flow, input.options.includeTables);
    const title = isObject(value) && typeof value.title === "string" ? value.title : undefined;
    return { blocks: flow.finish(), properties: title ? { title } : {}, warnings: [] };
  },
};

function parseLines(text: string, limits: ExtractLimits): Json {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => parseJson(line, limits));
}

/**
 * One JSON value.
 * @throws DocumentFault `LIMIT_EXCEEDED` if it nests too deep, `DOCUMENT_CORRUPT`
 */
export function parseJson(text: string, limits: ExtractLimits): Json {
  assertDepth(text, limits.maxDepth);
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new DocumentFault("DOCUMENT_CORRUPT", "The document is not valid JSON; it may be cut off.", error);
  }
}

/** Before anything is built: brackets outside of strings, in one pass. */
function assertDepth(text: string, maxDepth: number): void {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) quoted = !quoted;
    else if (quoted) i += c === BACKSLASH ? 1 : 0;
    else if (c === BRACKET || c === BRACE) depth += 1;
    else if (c === BRACKET + 2 || c === BRACE + 2) depth -= 1;
    if (depth <= maxDepth) continue;
    throw new LimitFault("maxDepth", `The JSON nests deeper than the ${maxDepth} levels allowed.`);
  }
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isScalar = (value: Json) => typeof value !== "object" || value === null;
const shown = (value: Json) => (value === null ? "null" : String(value));

function write(value: Json, flow: Flow, tables: boolean): void {
  if (isScalar(value)) {
    writeText(shown(value), flow);
  } else if (Array.isArray(value)) {
    const rows = tableRows(value);
    if (rows) {
      if (tables) flow.push({ type: "table", rows, headerRows: 1 });
      return;
    }
    flow.openList(false);
    for (const each of value) writeItem(undefined, each, flow, tables);
    flow.closeList();
  } else {
    flow.openList(false);
    for (const [key, each] of Object.entries(value as JsonObject)) writeItem(key, each, flow, tables);
    flow.closeList();
  }
}

function writeItem(key: string | undefined, value: Json, flow: Flow, tables: boolean): void {
  flow.openItem();
  if (key !== undefined) {
    flow.text(`${key}:`, { bold: true });
    flow.exact(" ");
  }
  if (isScalar(value)) writeText(shown(value), flow);
  else if (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((each) => isScalar(each) && shown(each).length <= 40)
  ) {
    writeText(value.map(shown).join(", "), flow);
  } else {
    flow.endParagraph();
    write(value, flow, tables);
  }
  flow.closeItem();
}

/** Line ends inside a string are the author's. */
function writeText(text: string, flow: Flow): void {
  for (const [i, line] of text.split("\n").entries()) {
    if (i > 0) flow.exact("\n");
    flow.text(line);
  }
}

/** Two or more objects that hold only plain values, with much the same keys. */
function tableRows(value: readonly Json[]): TableCell[][] | undefined {
  if (value.length < 2) return undefined;
  const columns = new Set<string>();
  let members = 0;
  for (const each of value) {
    if (!isObject(each)) return undefined;
    for (const [key, member] of Object.entries(each)) {
      if (!isScalar(member) || columns.size > MAX_COLUMNS) return undefined;
      columns.add(key);
      members += 1;
    }
  }
  if (columns.size === 0 || members * 2 < columns.size * value.length) return undefined;
  const names = [...columns];
  const rows = (value as JsonObject[]).map((each) =>
    names.map((name) => ({ text: Object.hasOwn(each, name) ? shown(each[name] ?? null) : "" })),
  );
  return [names.map((text) => ({ text })), ...rows];
}
