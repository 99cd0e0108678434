import type { ExtractInput } from "../../extractor.ts";
import type { Block, TableCell } from "../../model.ts";
import { child, descendants, elements, textOf, type XmlElement } from "../../xml.ts";
import type { OdfPackage } from "./package.ts";

/** Formulas and charts that the document embeds, by the folder they lie in. */
export async function readObjects(office: OdfPackage, input: ExtractInput): Promise<Map<string, Block>> {
  const objects = new Map<string, Block>();
  for (const folder of office.objects(/opendocument\.(?:formula|chart)/)) {
    input.signal.throwIfAborted();
    const root = await office.tree(`${folder}/content.xml`);
    const block = root?.name === "math:math" ? formula(root) : chart(root);
    if (block !== undefined) objects.set(folder, block);
  }
  return objects;
}

/** MathML as the signs that it shows; fractions, roots and indices keep their sense. */
function formula(root: XmlElement): Block | undefined {
  const text = mathText(root).replace(/\s+/g, " ").trim();
  return text === "" ? undefined : { type: "formula", text };
}

function mathText(element: XmlElement): string {
  const parts = [...elements(element)].filter(({ name }) => !/annotation/.test(name));
  const [a = "", b = "", c = ""] = parts.map(mathText);
  switch (element.name) {
    case "math:mi":
    case "math:mn":
    case "math:mo":
    case "math:mtext":
      return textOf(element).trim();
    case "math:mfrac":
      return `\\frac{${a}}{${b}}`;
    case "math:msqrt":
      return `\\sqrt{${parts.map(mathText).join(" ")}}`;
    case "math:mroot":
      return `\\sqrt[${b}]{${a}}`;
    case "math:msup":
    case "math:mover":
      return `${a}^{${b}}`;
    case "math:msub":
    case "math:munder":
      return `${a}_{${b}}`;
    case "math:msubsup":
    case "math:munderover":
      return `${a}_{${b}}^{${c}}`;
    default:
      return parts.map(mathText).join(" ");
  }
}

/** A chart as the table it was drawn from, titled. */
function chart(root: XmlElement | undefined): Block | undefined {
  const [drawn] = root === undefined ? [] : descendants(root, "table:table");
  if (root === undefined || drawn === undefined) return undefined;
  const rows: TableCell[][] = [];
  for (const row of descendants(drawn, "table:table-row")) {
    const cells = [...elements(row, "table:table-cell")];
    rows.push(cells.map((cell) => ({ text: [...elements(cell, "text:p")].map(textOf).join(" ").trim() })));
  }
  if (rows.length === 0) return undefined;
  const [body] = descendants(root, "chart:chart");
  const caption = textOf(child(body, "chart:title")).trim();
  return { type: "table", rows, headerRows: 1, ...(caption === "" ? {} : { caption }) };
}
