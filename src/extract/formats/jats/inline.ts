import type { Flow } from "../../flow.ts";
import type { Style } from "../../inline.ts";
import { child, descendants, textOf, type XmlElement } from "../../xml.ts";
import { lineOf, OWN_WORDS } from "./line.ts";
import { fieldText } from "./references.ts";

const STYLES: Readonly<Record<string, Style>> = {
  bold: { bold: true },
  italic: { italic: true },
  strike: { strike: true },
  sub: { sub: true },
  sup: { sup: true },
  monospace: { code: true },
};

/** Writes what is in an element into the current paragraph; `block` gets the elements that are no inline ones. */
export function writeInline(
  element: XmlElement,
  style: Style,
  flow: Flow,
  block: (element: XmlElement, flow: Flow) => boolean,
): void {
  let afterWord = false;
  for (const node of element.children) {
    if (typeof node === "string") {
      flow.text(node, style);
      afterWord = false;
      continue;
    }
    const word = OWN_WORDS.has(node.name);
    if (word && afterWord) flow.exact(" ", style);
    afterWord = word;
    const inline = STYLES[node.name];
    if (inline) writeInline(node, { ...style, ...inline }, flow, block);
    else if (node.name === "ext-link" || node.name === "uri") {
      const link = node.attributes["xlink:href"] ?? textOf(node);
      writeInline(node, /^(https?|ftp|mailto):/i.test(link) ? { ...style, link } : style, flow, block);
    } else if (node.name === "break") flow.exact("\n", style);
    else if (node.name === "inline-formula") flow.exact(formulaText(node), { ...style, math: true });
    else if (node.name === "inline-graphic" || node.name === "object-id") continue;
    else if (node.name === "element-citation") flow.text(fieldText(node), style);
    else if (!block(node, flow)) writeInline(node, style, flow, block);
  }
}

/** A formula's LaTeX where there is some, else the signs of its MathML or its text. */
export function formulaText(element: XmlElement): string {
  const [tex] = descendants(element, "tex-math");
  if (tex) {
    const source = textOf(tex);
    const begin = source.indexOf("\\begin{document}");
    const end = source.lastIndexOf("\\end{document}");
    const body = begin >= 0 && end > begin ? source.slice(begin + 16, end) : source;
    return body
      .trim()
      .replace(/^\${1,2}/, "")
      .replace(/\${1,2}$/, "")
      .trim();
  }
  const math = child(element, "mml:math") ?? child(element, "alternatives", "mml:math") ?? element;
  return lineOf(math);
}
