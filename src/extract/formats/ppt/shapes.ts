import { cellOf } from "../../flatten.ts";
import type { Block } from "../../model.ts";
import type { PlacedCell } from "../xlsx/sheet.ts";
import { regionBlock } from "../xlsx/table.ts";
import { findRecord, type PptRecord, records, TYPE } from "./records.ts";
import { isTitle, type PptText, readTexts, textBlocks } from "./text.ts";

const MAX_DEPTH = 64;
/** Property of a group that is a table. */
const TABLE_PROPERTIES = 0x039f;
/** Edges of cells that are nearer than this are the same. Units of 1/576 inch. */
const EDGE_TOLERANCE = 6;

/** The text of a drawing (of the wanted kinds): titles first, then the shapes in their order, tables as tables. */
export function drawingBlocks(
  drawing: PptRecord | undefined,
  outline: readonly PptText[],
  isWanted: (kind: number) => boolean = () => true,
): Block[] {
  const titles: Block[] = [];
  const others: Block[] = [];
  const seen = new Set<PptText>();
  const walk = (container: PptRecord, depth: number): void => {
    if (depth > MAX_DEPTH) return;
    if (container.type === TYPE.group && isTable(container)) {
      others.push(...table(container, outline, seen));
      return;
    }
    for (const record of records(container.data)) {
      if (record.type === TYPE.shape) {
        const texts = shapeTexts(record, outline, seen).filter(({ kind }) => isWanted(kind));
        for (const text of texts) (isTitle(text) ? titles : others).push(...textBlocks(text));
      } else if (record.isContainer) walk(record, depth + 1);
    }
  };
  if (drawing !== undefined) walk(drawing, 0);
  // Older files keep the text of placeholders only in the list of slides.
  for (const text of outline)
    if (!seen.has(text)) (isTitle(text) ? titles : others).push(...textBlocks(text));
  return [...titles, ...others];
}

function shapeTexts(shape: PptRecord, outline: readonly PptText[], seen: Set<PptText>): PptText[] {
  const texts: PptText[] = [];
  for (const box of records(shape.data)) {
    if (box.type !== TYPE.textbox) continue;
    const inner = [...records(box.data)];
    texts.push(...readTexts(inner));
    for (const { type, data } of inner) {
      const referred =
        type === TYPE.outlineText && data.length >= 4 ? outline[data.readUInt32LE(0)] : undefined;
      if (referred === undefined || seen.has(referred)) continue;
      seen.add(referred);
      texts.push(referred);
    }
  }
  return texts;
}

function isTable(group: PptRecord): boolean {
  const own = findRecord(group, TYPE.shape);
  if (own === undefined) return false;
  for (const { type, instance, data } of records(own.data)) {
    if (type !== TYPE.options && type !== TYPE.moreOptions) continue;
    for (let i = 0; i < instance && i * 6 + 6 <= data.length; i++) {
      if (
        (data.readUInt16LE(i * 6) & 0x3fff) === TABLE_PROPERTIES &&
        (data.readUInt32LE(i * 6 + 2) & 1) !== 0
      )
        return true;
    }
  }
  return false;
}

/** The cells of a table are shapes, known by where they are. */
function table(group: PptRecord, outline: readonly PptText[], seen: Set<PptText>): Block[] {
  const boxes: { left: number; top: number; right: number; bottom: number; blocks: Block[] }[] = [];
  for (const shape of records(group.data)) {
    if (shape.type !== TYPE.shape) continue;
    const anchor = findRecord(shape, TYPE.childAnchor)?.data;
    if (anchor === undefined || anchor.length < 16) continue;
    const [left = 0, top = 0, right = 0, bottom = 0] = [0, 4, 8, 12].map((at) => anchor.readInt32LE(at));
    const hasText = findRecord(shape, TYPE.textbox) !== undefined;
    // Lines are shapes too, without a width or a height.
    if (!hasText && (right - left <= EDGE_TOLERANCE || bottom - top <= EDGE_TOLERANCE)) continue;
    const blocks = shapeTexts(shape, outline, seen).flatMap(textBlocks);
    boxes.push({ left, top, right, bottom, blocks });
  }
  const columns = edges(boxes.flatMap(({ left, right }) => [left, right]));
  const rows = edges(boxes.flatMap(({ top, bottom }) => [top, bottom]));
  const cells: PlacedCell[] = boxes.map(({ left, top, right, bottom, blocks }) => ({
    left: columns(left),
    top: rows(top),
    right: Math.max(columns(left), columns(right) - 1),
    bottom: Math.max(rows(top), rows(bottom) - 1),
    cell: cellOf(blocks),
  }));
  cells.sort((a, b) => a.top - b.top || a.left - b.left);
  const block = regionBlock(cells, 0);
  return block === undefined ? [] : [block];
}

function edges(values: number[]): (value: number) => number {
  const distinct: number[] = [];
  for (const value of values.sort((a, b) => a - b)) {
    if (value - (distinct.at(-1) ?? Number.NEGATIVE_INFINITY) > EDGE_TOLERANCE) distinct.push(value);
  }
  return (value) =>
    Math.max(
      0,
      distinct.findLastIndex((edge) => edge <= value + EDGE_TOLERANCE),
    );
}
