import { child, elements, textOf, type XmlElement } from "../../xml.ts";
import { type Inline, inlineOf, type Span } from "./inline.ts";
import { formulaLatex } from "./omml.ts";
import type { Relationships } from "./package.ts";

const MONOSPACED = /courier|consolas|\bmono|menlo|monaco|lucida console/i;
const isOn = (value: string | undefined) => value === "1" || value === "true" || value === "on";

/** The text of a DrawingML paragraph (`a:p`): runs, fields, line breaks, formulas. */
export function paragraphSpans(
  paragraph: XmlElement,
  relationships: Relationships,
  onLink?: (target: string) => void,
): Span[] {
  const spans: Span[] = [];
  const walk = (parent: XmlElement): void => {
    for (const element of elements(parent)) {
      if (element.name === "a:r" || element.name === "a:fld") {
        const properties = child(element, "a:rPr");
        const span: Span = { text: textOf(child(element, "a:t")).replaceAll("\u000b", "\n") };
        if (isOn(properties?.attributes.b)) span.bold = true;
        if (isOn(properties?.attributes.i)) span.italic = true;
        if (
          /Strike$/.test(properties?.attributes.strike ?? "") &&
          properties?.attributes.strike !== "noStrike"
        ) {
          span.strike = true;
        }
        if (MONOSPACED.test(child(properties, "a:latin")?.attributes.typeface ?? "")) span.code = true;
        const baseline = Number.parseInt(properties?.attributes.baseline ?? "0", 10);
        if (baseline !== 0 && !Number.isNaN(baseline)) span.raised = baseline > 0 ? "sup" : "sub";
        const link = relationships.get(child(properties, "a:hlinkClick")?.attributes["r:id"] ?? "");
        if (link?.external && link.target !== "") {
          span.link = link.target;
          onLink?.(link.target);
        }
        spans.push(span);
      } else if (element.name === "a:br") {
        spans.push({ text: "\n" });
      } else if (element.name === "a:tab") {
        spans.push({ text: "\t" });
      } else if (element.name === "m:oMath") {
        spans.push({ text: formulaLatex(element), formula: true });
      } else if (element.name === "mc:AlternateContent") {
        const branch = child(element, "mc:Choice") ?? child(element, "mc:Fallback");
        if (branch !== undefined) walk(branch);
      } else if (element.name !== "a:pPr" && element.name !== "a:endParaRPr") {
        walk(element);
      }
    }
  };
  walk(paragraph);
  return spans;
}

/** The same as one piece of text. */
export const paragraphLine = (paragraph: XmlElement, relationships: Relationships): Inline =>
  inlineOf(paragraphSpans(paragraph, relationships));
