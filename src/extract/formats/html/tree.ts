import { type DefaultTreeAdapterMap, defaultTreeAdapter, parse } from "parse5";
import { LimitFault } from "../../errors.ts";

export type HtmlNode = DefaultTreeAdapterMap["childNode"];
export type HtmlElement = DefaultTreeAdapterMap["element"];
export type HtmlDocument = DefaultTreeAdapterMap["document"];

/** However the limits are set: readers of the tree call themselves once a level. */
const MAX_DEPTH = 1000;

/**
 * Parses HTML as browsers do, faults and all.
 * @throws DocumentFault `LIMIT_EXCEEDED` if elements nest deeper than `maxDepth`, as soon as they do
 */
export function parseHtml(html: string, maxDepth: number): HtmlDocument {
  const most = Math.min(maxDepth, MAX_DEPTH);
  let depth = 0;
  return parse(html, {
    scriptingEnabled: false,
    treeAdapter: {
      ...defaultTreeAdapter,
      onItemPush() {
        depth += 1;
        if (depth <= most) return;
        throw new LimitFault(
          "maxDepth",
          `The HTML nests elements deeper than the ${most} levels allowed; many unclosed tags can be the cause.`,
        );
      },
      onItemPop() {
        depth -= 1;
      },
    },
  });
}

export const isElement = (node: HtmlNode): node is HtmlElement => "tagName" in node;

/** The value of an attribute; empty if it is missing. */
export function attribute(element: HtmlElement, name: string): string {
  return element.attrs.find((each) => each.name === name)?.value ?? "";
}

export const hasAttribute = (element: HtmlElement, name: string): boolean =>
  element.attrs.some((each) => each.name === name);

/** All text below, as it stands; a line break for each `br`. */
export function rawText(node: HtmlNode): string {
  if ("value" in node) return node.value;
  if (!("childNodes" in node)) return "";
  if (isElement(node) && node.tagName === "br") return "\n";
  return node.childNodes.map(rawText).join("");
}

/** The first element below that fits, in document order. */
export function findElement(
  node: HtmlNode | HtmlDocument,
  fits: (element: HtmlElement) => boolean,
): HtmlElement | undefined {
  if (!("childNodes" in node)) return undefined;
  for (const child of node.childNodes) {
    if (isElement(child) && fits(child)) return child;
    const found = findElement(child, fits);
    if (found) return found;
  }
  return undefined;
}
