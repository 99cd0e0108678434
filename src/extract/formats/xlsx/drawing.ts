import type { Block } from "../../model.ts";
import { child, descendants, elements, type XmlElement } from "../../xml.ts";
import { append } from "../ooxml/append.ts";
import { readChart } from "../ooxml/chart.ts";
import { readDiagram } from "../ooxml/diagram.ts";
import { paragraphLine } from "../ooxml/drawing-text.ts";
import type { OfficePackage, Relationships } from "../ooxml/package.ts";

/** A chart, picture or shape over a sheet, where its upper left corner is. */
export interface Placed {
  row: number;
  blocks: Block[];
}

/** What is drawn over a sheet, from top to bottom, then from left to right. */
export async function readDrawing(office: OfficePackage, part: string, page: number): Promise<Placed[]> {
  const relationships = await office.relationships(part);
  const found: (Placed & { column: number })[] = [];
  for (const anchor of elements(await office.tree(part))) {
    const from = child(anchor, "xdr:from");
    const at = (name: string) => Number(child(from, name)?.children.join("") ?? 0) || 0;
    const blocks = await contentOf(anchor, office, relationships, page);
    if (blocks.length > 0) found.push({ row: at("xdr:row"), column: at("xdr:col"), blocks });
  }
  return found.sort((a, b) => a.row - b.row || a.column - b.column);
}

async function contentOf(
  parent: XmlElement,
  office: OfficePackage,
  relationships: Relationships,
  page: number,
): Promise<Block[]> {
  const blocks: Block[] = [];
  for (const element of elements(parent)) {
    const { name, attributes } = element;
    const target = (id: string) => relationships.get(attributes[id] ?? "")?.target ?? "";
    if (name === "c:chart") {
      append(blocks, await readChart(office, target("r:id"), page));
    } else if (name === "dgm:relIds") {
      append(blocks, await readDiagram(office, target("r:dm"), page));
    } else if (name === "xdr:pic") {
      const described = child(element, "xdr:nvPicPr", "xdr:cNvPr")?.attributes;
      blocks.push({ type: "image", alt: (described?.descr || described?.title || "").trim(), page });
    } else if (name === "xdr:sp") {
      for (const paragraph of descendants(child(element, "xdr:txBody"), "a:p")) {
        const line = paragraphLine(paragraph, relationships);
        if (line.text !== "") blocks.push({ type: "paragraph", ...line, page });
      }
    } else if (name === "mc:Fallback") {
      if (blocks.length === 0) append(blocks, await contentOf(element, office, relationships, page));
    } else {
      append(blocks, await contentOf(element, office, relationships, page));
    }
  }
  return blocks;
}
