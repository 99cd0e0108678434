import type { Block, TableCell } from "../../model.ts";
import { child, elements, type XmlElement } from "../../xml.ts";
import { alternatives } from "../ooxml/alternatives.ts";
import { append } from "../ooxml/append.ts";
import { readChart } from "../ooxml/chart.ts";
import { readDiagram } from "../ooxml/diagram.ts";
import { flattenBlocks } from "../ooxml/flatten.ts";
import type { OfficePackage } from "../ooxml/package.ts";
import { type Box, boxOf, type Placeholders } from "./placeholders.ts";
import { readingOrder } from "./reading-order.ts";
import { type TextContext, textBlocks, titleLine } from "./text.ts";

export interface SlideContext extends TextContext {
  office: OfficePackage;
  placeholders: Placeholders;
  includeTables: boolean;
  includeHeadersFooters: boolean;
}

interface Shape {
  element: XmlElement;
  box?: Box;
  isTitle: boolean;
}

/** What stands on a slide (its `p:spTree`), the title first, then in reading order. */
export async function shapeBlocks(tree: XmlElement | undefined, context: SlideContext): Promise<Block[]> {
  const shapes = shapesOf(tree, context);
  const ordered = [
    ...shapes.filter((shape) => shape.isTitle),
    ...readingOrder(shapes.filter((shape) => !shape.isTitle)),
  ];
  const blocks: Block[] = [];
  for (const shape of ordered) append(blocks, await blocksOf(shape, context));
  return blocks;
}

const SHAPES = new Set(["p:sp", "p:pic", "p:graphicFrame", "p:grpSp", "p:cxnSp"]);

function shapesOf(tree: XmlElement | undefined, context: SlideContext): Shape[] {
  const shapes: Shape[] = [];
  for (const element of elements(tree)) {
    if (element.name === "mc:AlternateContent") {
      for (const branch of alternatives(element)) append(shapes, shapesOf(branch, context));
    } else if (SHAPES.has(element.name)) {
      const placeholder = placeholderOf(element);
      const type = placeholder?.attributes.type ?? "";
      if (/^(?:dt|ftr|hdr|sldNum)$/.test(type) && !context.includeHeadersFooters) continue;
      const transform =
        child(element, "p:spPr", "a:xfrm") ??
        child(element, "p:xfrm") ??
        child(element, "p:grpSpPr", "a:xfrm");
      const inherited = placeholder === undefined ? undefined : context.placeholders.of(placeholder).box;
      const box = boxOf(transform) ?? inherited;
      const isTitle = type === "title" || type === "ctrTitle";
      shapes.push({ element, isTitle, ...(box === undefined ? {} : { box }) });
    }
  }
  return shapes;
}

function placeholderOf(shape: XmlElement): XmlElement | undefined {
  for (const name of ["p:nvSpPr", "p:nvPicPr", "p:nvGraphicFramePr"]) {
    const found = child(shape, name, "p:nvPr", "p:ph");
    if (found !== undefined) return found;
  }
  return undefined;
}

async function blocksOf({ element, isTitle }: Shape, context: SlideContext): Promise<Block[]> {
  const { page } = context;
  switch (element.name) {
    case "p:sp": {
      const body = child(element, "p:txBody");
      if (isTitle) {
        const title = titleLine(body, context);
        return title.text === "" ? [] : [{ type: "heading", level: 1, ...title, page }];
      }
      return textBlocks(body, context.placeholders.of(placeholderOf(element)).bullets, context);
    }
    case "p:pic": {
      const described = child(element, "p:nvPicPr", "p:cNvPr")?.attributes;
      return [{ type: "image", alt: (described?.descr || described?.title || "").trim(), page }];
    }
    case "p:grpSp":
      return await shapeBlocks(element, context);
    case "p:graphicFrame":
      return await frameBlocks(child(element, "a:graphic", "a:graphicData"), context);
    default:
      return [];
  }
}

async function frameBlocks(data: XmlElement | undefined, context: SlideContext): Promise<Block[]> {
  const { office, relationships, page } = context;
  const blocks: Block[] = [];
  for (const element of elements(data)) {
    const target = (id: string) => relationships.get(element.attributes[id] ?? "")?.target ?? "";
    if (element.name === "a:tbl") {
      if (context.includeTables) blocks.push(tableBlock(element, context));
    } else if (element.name === "c:chart") {
      append(blocks, await readChart(office, target("r:id"), page));
    } else if (element.name === "dgm:relIds") {
      append(blocks, await readDiagram(office, target("r:dm"), page));
    } else if (element.name === "mc:AlternateContent") {
      for (const branch of alternatives(element)) append(blocks, await frameBlocks(branch, context));
    } else if (element.name === "p:oleObj") {
      append(blocks, await shapeBlocks(element, context));
    }
  }
  return blocks;
}

function tableBlock(table: XmlElement, context: SlideContext): Block {
  const isOn = (value: string | undefined) => value === "1" || value === "true";
  const rows: TableCell[][] = [];
  for (const tr of elements(table, "a:tr")) {
    const row: TableCell[] = [];
    for (const tc of elements(tr, "a:tc")) {
      if (isOn(tc.attributes.hMerge) || isOn(tc.attributes.vMerge)) continue;
      const cell: TableCell = flattenBlocks(textBlocks(child(tc, "a:txBody"), [], context));
      const columns = Number(tc.attributes.gridSpan ?? 1);
      const down = Number(tc.attributes.rowSpan ?? 1);
      if (columns > 1) cell.columnSpan = Math.min(columns, 1024);
      if (down > 1) cell.rowSpan = Math.min(down, 65_536);
      row.push(cell);
    }
    rows.push(row);
  }
  const hasHeader = isOn(child(table, "a:tblPr")?.attributes.firstRow);
  return { type: "table", rows, headerRows: hasHeader && rows.length > 1 ? 1 : 0, page: context.page };
}
