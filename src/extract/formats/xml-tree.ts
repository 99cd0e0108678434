import { parseFragment } from "parse5";
import { DocumentFault } from "../errors.ts";
import type { ExtractLimits } from "../extractor.ts";
import { parseXmlText, treeHandlers, type XmlElement } from "../xml.ts";

const MAX_NODES = 4_000_000;
/** Readers of the tree call themselves once a level. */
const MAX_DEPTH = 1000;

const NAMESPACES = new Map([
  ["http://www.w3.org/1999/xlink", "xlink"],
  ["http://www.w3.org/1998/Math/MathML", "mml"],
]);

/** What was found in an XML document. */
export interface XmlDocument {
  root: XmlElement;
  /** Names of entities that are known neither to XML nor to HTML; they stand in the text as they were written. */
  unknownEntities: string[];
}

/**
 * A whole XML document as a tree, blanks included. Entities that the document declares itself are not
 * expanded; those of HTML, which many documents use, are read.
 * @throws DocumentFault `DOCUMENT_CORRUPT`, or `LIMIT_EXCEEDED` for too many or too deeply nested elements
 */
export function parseXmlTree(text: string, limits: ExtractLimits): XmlDocument {
  const unknown = new Set<string>();
  let root: XmlElement | undefined;
  const options = {
    maxDepth: Math.min(limits.maxDepth, MAX_DEPTH),
    maxTreeNodes: MAX_NODES,
    namespaces: NAMESPACES,
    doctype: "ignore" as const,
    keepsBlanks: () => true,
  };
  const handlers = treeHandlers(
    {
      visit: () => "tree",
      tree: (element) => {
        root = element;
      },
    },
    options,
  );
  // The declaration's encoding was true of the bytes, not of this text.
  parseXmlText(withEntities(text.trimStart(), unknown), handlers, options);
  if (!root) throw new DocumentFault("DOCUMENT_CORRUPT", "The XML document has no element.");
  return { root, unknownEntities: [...unknown] };
}

function withEntities(text: string, unknown: Set<string>): string {
  if (!/&[A-Za-z]/.test(text)) return text;
  return text
    .split("<![CDATA[")
    .map((part, i) => {
      if (i === 0) return replaceEntities(part, unknown);
      const end = part.indexOf("]]>");
      return end < 0 ? part : part.slice(0, end) + replaceEntities(part.slice(end), unknown);
    })
    .join("<![CDATA[");
}

function replaceEntities(text: string, unknown: Set<string>): string {
  const read = new Map<string, string | undefined>();
  return text.replace(/&([A-Za-z][\w.-]{0,40});/g, (written, name: string) => {
    if (/^(?:amp|lt|gt|quot|apos)$/.test(name)) return written;
    if (!read.has(name) && read.size < 5000) read.set(name, htmlEntity(written));
    const value = read.get(name);
    if (value !== undefined) return value;
    if (unknown.size < 20) unknown.add(name);
    return `&amp;${name};`;
  });
}

function htmlEntity(written: string): string | undefined {
  const node = parseFragment(written).childNodes[0];
  if (!node || !("value" in node) || node.value === written) return undefined;
  return node.value.replace(/[<&]/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** The element's name without its prefix. */
export const localName = (element: XmlElement): string => element.name.slice(element.name.indexOf(":") + 1);
