import { createFlow, type Flow, type OutputBudget } from "../flow.ts";
import type { Block, TableCell } from "../model.ts";
import { elements, textOf, type XmlElement } from "../xml.ts";
import { localName } from "./xml-tree.ts";

export interface XmlBlockOptions {
  includeTables: boolean;
  maxDepth: number;
  budget: OutputBudget;
}

/**
 * Any XML by its text, in document order: an element that holds text of its own is a paragraph, with all that
 * is in it; titles are headings; like elements with plain values only are a table.
 */
export function xmlBlocks(root: XmlElement, options: XmlBlockOptions): Block[] {
  const flow = createFlow(options.budget);
  write(root, 1, flow, options);
  return flow.finish();
}

const TITLES = /^(?:title|head|heading|headline)$/i;

function write(element: XmlElement, depth: number, flow: Flow, options: XmlBlockOptions): void {
  const children = [...elements(element)];
  if (
    children.length === 0 ||
    element.children.some((node) => typeof node === "string" && node.trim() !== "")
  ) {
    writeParagraph(element, depth, flow);
    return;
  }
  const rows = recordTable(children);
  if (!rows) for (const child of children) write(child, depth + 1, flow, options);
  else if (options.includeTables) flow.push({ type: "table", rows, headerRows: 1 });
}

function writeParagraph(element: XmlElement, depth: number, flow: Flow): void {
  flow.text(textOf(element));
  if (TITLES.test(localName(element))) flow.endHeading(Math.min(6, Math.max(1, depth - 1)));
  else flow.endParagraph();
}

/** Rows of a table, if these are two or more elements of one name that hold two or more plain values each. */
function recordTable(children: readonly XmlElement[]): TableCell[][] | undefined {
  const name = children[0]?.name;
  if (children.length < 2 || children.some((child) => child.name !== name)) return undefined;
  const columns = new Set<string>();
  const records: Map<string, string>[] = [];
  for (const child of children) {
    const record = new Map<string, string>();
    for (const node of child.children) {
      if (typeof node === "string") {
        if (node.trim() !== "") return undefined;
        continue;
      }
      if (record.has(node.name) || node.children.some((inner) => typeof inner !== "string")) return undefined;
      record.set(node.name, textOf(node).replace(/\s+/g, " ").trim());
      columns.add(node.name);
    }
    if (record.size < 2 || columns.size > 100) return undefined;
    records.push(record);
  }
  const names = [...columns];
  return [
    names.map((text) => ({ text })),
    ...records.map((record) => names.map((column) => ({ text: record.get(column) ?? "" }))),
  ];
}
