import type { Definition, Nodes, RootContent, Table } from "mdast";
import { LimitFault } from "../../errors.ts";
import { cellOf } from "../../flatten.ts";
import { createFlow, type Flow, type OutputBudget } from "../../flow.ts";
import type { Style } from "../../inline.ts";
import type { Block } from "../../model.ts";
import { htmlBlocks } from "../html/blocks.ts";
import { parseHtml } from "../html/tree.ts";

export interface MarkdownBlockOptions {
  includeTables: boolean;
  maxDepth: number;
  budget: OutputBudget;
  onLink(address: string): void;
}

interface Writer {
  flow: Flow;
  options: MarkdownBlockOptions;
  definitions: ReadonlyMap<string, Definition>;
  depth: number;
}

/** The nodes of a parsed document as blocks. Raw HTML is read as HTML. */
export function markdownBlocks(nodes: readonly RootContent[], options: MarkdownBlockOptions): Block[] {
  const definitions = new Map<string, Definition>();
  for (const node of nodes) if (node.type === "definition") definitions.set(node.identifier, node);
  const flow = createFlow(options.budget);
  for (const node of nodes) write(node, {}, { flow, options, definitions, depth: 0 });
  return flow.finish();
}

/** Nodes nest about twice as deep as the marks that make them; readers call themselves once a node. */
const MAX_NODE_DEPTH = 1000;

function write(node: Nodes, style: Style, outer: Writer): void {
  const { flow, options } = outer;
  const writer = { ...outer, depth: outer.depth + 1 };
  if (writer.depth > Math.min(MAX_NODE_DEPTH, options.maxDepth * 2)) {
    throw new LimitFault(
      "maxDepth",
      `The Markdown nests deeper than the ${options.maxDepth} levels allowed.`,
    );
  }
  const inside = (inner: Style) => {
    if ("children" in node) for (const child of node.children) write(child, inner, writer);
  };
  switch (node.type) {
    case "text":
      flow.text(node.value, style);
      break;
    case "break":
      flow.exact("\n", style);
      break;
    case "strong":
      inside({ ...style, bold: true });
      break;
    case "emphasis":
      inside({ ...style, italic: true });
      break;
    case "delete":
      inside({ ...style, strike: true });
      break;
    case "inlineCode":
      flow.exact(node.value, { ...style, code: true });
      break;
    case "inlineMath":
      flow.exact(node.value, { ...style, math: true });
      break;
    case "link":
    case "linkReference":
      inside(linked(node, style, writer));
      break;
    case "image":
      flow.image(node.alt ?? "", node.url, style);
      break;
    case "imageReference":
      flow.image(node.alt ?? "", writer.definitions.get(node.identifier)?.url ?? "", style);
      break;
    case "footnoteReference":
      flow.exact(`[${node.identifier}]`, style);
      break;
    case "paragraph":
      inside(style);
      flow.endParagraph();
      break;
    case "heading":
      inside(style);
      flow.endHeading(node.depth);
      break;
    case "blockquote":
      flow.openQuote();
      inside(style);
      flow.closeQuote();
      break;
    case "list":
      flow.openList(node.ordered === true, node.start ?? 1);
      inside(style);
      flow.closeList();
      break;
    case "listItem":
      flow.openItem(typeof node.checked === "boolean" ? `- [${node.checked ? "x" : " "}]` : undefined);
      inside(style);
      flow.closeItem();
      break;
    case "footnoteDefinition":
      flow.exact(`[${node.identifier}] `, style);
      inside(style);
      break;
    case "code":
      options.budget.spend(node.value.length);
      if (node.value !== "")
        flow.push({ type: "code", text: node.value, ...(node.lang && { language: node.lang }) });
      break;
    case "math":
      options.budget.spend(node.value.length);
      flow.push({ type: "formula", text: node.value });
      break;
    case "table":
      if (options.includeTables) flow.push(tableBlock(node, writer));
      break;
    case "html":
      html(node.value, style, writer);
      break;
    case "yaml":
    case "definition":
    case "thematicBreak":
      break;
    default:
      inside(style);
  }
}

function linked(
  node: Extract<Nodes, { type: "link" | "linkReference" }>,
  style: Style,
  writer: Writer,
): Style {
  const url = node.type === "link" ? node.url : writer.definitions.get(node.identifier)?.url;
  if (url === undefined) return style;
  if (/^(https?|mailto|ftp):/i.test(url)) writer.options.onLink(url);
  return { ...style, link: url };
}

function tableBlock(table: Table, writer: Writer): Block {
  const rows = table.children.map((row) =>
    row.children.map((cell) => {
      const flow = createFlow(writer.options.budget);
      for (const child of cell.children) write(child, {}, { ...writer, flow });
      return cellOf(flow.finish());
    }),
  );
  return { type: "table", rows, headerRows: 1 };
}

/** A block of HTML is complete as it stands; inside a line there are only single tags, which are left out. */
function html(value: string, style: Style, { flow, options }: Writer): void {
  if (/^<br\s*\/?>$/i.test(value)) flow.exact("\n", style);
  if (/^<\/?(?!img\b)[a-z][^<>]*>$/i.test(value)) return;
  for (const block of htmlBlocks(parseHtml(value, options.maxDepth), options)) flow.push(block);
}
