import { createFlow, type Flow, type OutputBudget } from "../../flow.ts";
import type { Style } from "../../inline.ts";
import type { Block } from "../../model.ts";
import { tableBlock } from "./table.ts";
import {
  attribute,
  findElement,
  type HtmlElement,
  type HtmlNode,
  hasAttribute,
  isElement,
  rawText,
} from "./tree.ts";

export interface HtmlBlockOptions {
  includeTables: boolean;
  budget: OutputBudget;
  /** Called with the address of each link, in order. */
  onLink?(address: string): void;
}

const SKIPPED = new Set(
  "head script style template noscript iframe object embed applet audio video canvas svg select datalist input rp area map frame frameset noframes progress meter".split(
    " ",
  ),
);
const CONTAINERS = new Set(
  (
    "address article aside body center details dialog div fieldset figcaption figure footer form header hgroup html legend main nav p search section summary " +
    "caption tbody thead tfoot tr td th colgroup optgroup table hr textarea"
  ).split(" "),
);
const STYLES: Readonly<Record<string, Style>> = {
  b: { bold: true },
  strong: { bold: true },
  i: { italic: true },
  em: { italic: true },
  cite: { italic: true },
  dfn: { italic: true },
  var: { italic: true },
  s: { strike: true },
  del: { strike: true },
  strike: { strike: true },
  sub: { sub: true },
  sup: { sup: true },
  code: { code: true },
  kbd: { code: true },
  samp: { code: true },
  tt: { code: true },
};

/** The visible content below a node as blocks, in document order. */
export function htmlBlocks(root: { childNodes: HtmlNode[] }, options: HtmlBlockOptions): Block[] {
  const flow = createFlow(options.budget);
  for (const child of root.childNodes) walk(child, {}, flow, options);
  return flow.finish();
}

/** What it takes to read one element: `inside` reads its children in a style. */
interface Visit {
  node: HtmlElement;
  style: Style;
  flow: Flow;
  options: HtmlBlockOptions;
  inside(style: Style): void;
}

function walk(node: HtmlNode, style: Style, flow: Flow, options: HtmlBlockOptions): void {
  if (node.nodeName === "#text" && "value" in node) flow.text(node.value, style);
  if (!isElement(node)) return;
  const name = node.tagName;
  if ((SKIPPED.has(name) && name !== "script") || isHidden(node)) return;
  const inside = (inner: Style) => {
    for (const child of node.childNodes) walk(child, inner, flow, options);
  };
  const visit: Visit = { node, style, flow, options, inside };
  const read = READERS.get(name);
  if (read) read(visit);
  else if (STYLES[name]) inside({ ...style, ...STYLES[name] });
  else if (CONTAINERS.has(name)) {
    flow.endParagraph();
    inside(style);
    flow.endParagraph();
  } else inside(style);
}

type Read = (visit: Visit) => void;

const heading: Read = ({ node, style, flow, inside }) => {
  flow.endParagraph();
  inside(style);
  flow.endHeading(Number(node.tagName[1]));
};

const enclosed =
  (open: string, close: string): Read =>
  ({ style, flow, inside }) => {
    flow.exact(open, style);
    inside(style);
    flow.exact(close, style);
  };

const READERS: ReadonlyMap<string, Read> = new Map<string, Read>([
  ...["h1", "h2", "h3", "h4", "h5", "h6"].map((name): [string, Read] => [name, heading]),
  ...["ul", "ol", "menu", "dir"].map((name): [string, Read] => [name, list]),
  ...["pre", "listing", "xmp"].map((name): [string, Read] => [name, preformatted]),
  ["script", mathScript],
  ["br", ({ style, flow }) => flow.exact("\n", style)],
  ["wbr", () => undefined],
  ["a", link],
  ["img", ({ node, style, flow }) => flow.image(attribute(node, "alt"), attribute(node, "src"), style)],
  ["math", math],
  ["table", table],
  ["q", enclosed("“", "”")],
  ["rt", enclosed("(", ")")],
  [
    "blockquote",
    ({ style, flow, inside }) => {
      flow.openQuote();
      inside(style);
      flow.closeQuote();
    },
  ],
  [
    "li",
    ({ node, style, flow, inside }) => {
      flow.openItem(itemMarker(node));
      inside(style);
      flow.closeItem();
    },
  ],
  [
    "dl",
    ({ style, flow, inside }) => {
      flow.openList(false);
      inside(style);
      flow.closeList();
    },
  ],
  [
    "dt",
    ({ style, flow, inside }) => {
      flow.openItem();
      inside({ ...style, bold: true });
      flow.closeItem();
    },
  ],
  [
    "dd",
    ({ style, flow, inside }) => {
      flow.openList(false);
      flow.openItem();
      inside(style);
      flow.closeItem();
      flow.closeList();
    },
  ],
]);

/** What no reader of the page sees; the second halves of formulas drawn by scripts are among it. */
function isHidden(element: HtmlElement): boolean {
  if (element.attrs.length === 0) return false;
  if (hasAttribute(element, "hidden")) return attribute(element, "hidden") !== "until-found";
  const css = attribute(element, "style");
  if (css !== "" && /(?:^|[;\s])(?:display\s*:\s*none|visibility\s*:\s*hidden)/i.test(css)) return true;
  return /(?:^|\s)(?:katex-html|MathJax|MathJax_Preview|MathJax_Display|MathJax_SVG|MathJax_CHTML)(?:\s|$)/.test(
    attribute(element, "class"),
  );
}

function link({ node, style, inside, options }: Visit): void {
  const address = attribute(node, "href").trim();
  const leads = address !== "" && !/^javascript:/i.test(address);
  if (leads) options.onLink?.(address);
  inside(leads ? { ...style, link: address } : style);
}

function list({ node, style, inside, flow }: Visit): void {
  const start = Number.parseInt(attribute(node, "start"), 10);
  const items = node.childNodes.filter((child) => child.nodeName === "li").length;
  const back = hasAttribute(node, "reversed");
  flow.openList(node.tagName === "ol", Number.isNaN(start) ? (back ? items : 1) : start, back ? -1 : 1);
  inside(style);
  flow.closeList();
}

function itemMarker(item: HtmlElement): string | undefined {
  const value = Number.parseInt(attribute(item, "value"), 10);
  if (!Number.isNaN(value) && item.parentNode?.nodeName === "ol") return `${value}.`;
  const box = item.childNodes.find((child) => child.nodeName !== "#text" || rawText(child).trim() !== "");
  if (!box || !isElement(box) || box.tagName !== "input" || attribute(box, "type") !== "checkbox")
    return undefined;
  return hasAttribute(box, "checked") ? "- [x]" : "- [ ]";
}

function preformatted({ node, flow, options }: Visit): void {
  const text = rawText(node).replace(/^\n/, "").trimEnd();
  if (text === "") return;
  options.budget.spend(text.length);
  const code = findElement(node, (element) => element.tagName === "code");
  const classes = `${attribute(node, "class")} ${code ? attribute(code, "class") : ""} ${node.parentNode && "attrs" in node.parentNode ? attribute(node.parentNode, "class") : ""}`;
  const language = /(?:^|\s)(?:lang(?:uage)?-|highlight-(?:source|text)-)([\w+#.-]{1,30})/.exec(classes)?.[1];
  flow.push({ type: "code", text, ...(language !== undefined && { language }) });
}

function table({ node, style, inside, flow, options }: Visit): void {
  flow.endParagraph();
  const block = tableBlock(node, (cell) => htmlBlocks(cell, options));
  if (!block) inside(style);
  else if (options.includeTables) flow.push(block);
  flow.endParagraph();
}

/** MathML: its LaTeX, where the author left it inside, or its signs. */
function math({ node, style, flow }: Visit): void {
  const tex = findElement(
    node,
    (element) => element.tagName === "annotation" && /tex/i.test(attribute(element, "encoding")),
  );
  const text = (tex ? rawText(tex) : rawText(node).replace(/\s+/g, "")).trim();
  if (text === "") return;
  if (attribute(node, "display") === "block") flow.push({ type: "formula", text });
  else flow.exact(text, { ...style, math: true });
}

function mathScript({ node, flow }: Visit): void {
  const type = attribute(node, "type");
  if (!type.startsWith("math/tex")) return;
  const text = rawText(node).trim();
  if (/mode=display/.test(type)) flow.push({ type: "formula", text });
  else flow.exact(text, { math: true });
}
