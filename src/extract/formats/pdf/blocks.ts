import type { Block, ListItem, TableCell } from "../../model.ts";
import { withAlignedTables } from "./aligned-tables.ts";
import { arrange } from "./columns.ts";
import { type PageContent, type Row, type Segment, type TableBox, union } from "./geometry.ts";
import { toLine } from "./lines.ts";
import { markerOf, UNKNOWN_SIGN } from "./markers.ts";
import { continues, merge, type Paragraph, toParagraphs } from "./paragraphs.ts";
import { findRuledTables, tableSegment } from "./ruled-tables.ts";
import { headingLevel, type Typography } from "./typography.ts";

/** Points by which the starts of items of the same depth may differ. */
const SAME_INDENT = 6;

type Piece = { paragraph: Paragraph; left: number } | { table: TableBox };

/** What of a page becomes blocks. */
export interface PageOptions {
  includeTables: boolean;
  /** Segments to leave out: running headers and footers. */
  dropped: ReadonlySet<Segment>;
}

/** Turns the content of one page into blocks in reading order. */
export function toBlocks(page: PageContent, typography: Typography, options: PageOptions): Block[] {
  const pieces: Piece[] = [];
  for (const [index, group] of page.groups.entries()) {
    const kept = group.filter((segment) => !options.dropped.has(segment));
    const tables = index === 0 ? findRuledTables(kept, page.rules) : [];
    const inTables = new Set(tables.flatMap((t) => t.used));
    const flow = kept.filter((segment) => !inTables.has(segment));
    flow.push(...tables.map((t) => tableSegment(t.table, t.used)));
    const rtl = share(kept, (s) => s.rtl) > 0.4;
    for (const region of arrange(flow, rtl)) addRegion(pieces, withAlignedTables(region));
  }
  const kept = options.includeTables ? pieces : pieces.filter((piece) => "paragraph" in piece);
  return collect(kept, typography, page.page);
}

function share(segments: readonly Segment[], pick: (segment: Segment) => boolean): number {
  const total = segments.reduce((sum, s) => sum + s.weight, 0);
  return segments.reduce((sum, s) => sum + (pick(s) ? s.weight : 0), 0) / Math.max(1, total);
}

function addRegion(pieces: Piece[], region: readonly Row[]): void {
  let rows: Row[] = [];
  let fresh = true;
  const flush = () => {
    if (rows.length === 0) return;
    const box = union(rows);
    for (const paragraph of toParagraphs(rows.map(toLine), box.x0, box.x1)) {
      const last = pieces.at(-1);
      if (fresh && last !== undefined && "paragraph" in last && continues(last.paragraph, paragraph)) {
        last.paragraph = merge(last.paragraph, paragraph);
      } else pieces.push({ paragraph, left: (paragraph.lines[0]?.x0 ?? box.x0) - box.x0 });
      fresh = false;
    }
    rows = [];
  };
  for (const row of region) {
    const table = row.segments[0]?.table;
    if (table === undefined) rows.push(row);
    else {
      flush();
      pieces.push({ table });
    }
  }
  flush();
}

function collect(pieces: readonly Piece[], typography: Typography, page: number): Block[] {
  const blocks: Block[] = [];
  let list: Placed[] = [];
  const flush = () => {
    for (const block of listBlocks(list, page)) blocks.push(block);
    list = [];
  };
  for (const piece of pieces) {
    if ("table" in piece) {
      flush();
      blocks.push(tableBlock(piece.table, page));
      continue;
    }
    const { paragraph, left } = piece;
    const text = paragraph.text.replaceAll(UNKNOWN_SIGN, "").trim();
    if (text === "") continue;
    const level = headingLevel(paragraph, typography);
    const marker = level === undefined ? markerOf(paragraph.text) : undefined;
    if (marker !== undefined) {
      list.push({
        item: { level: 0, text: marker.rest, marker: marker.marker },
        left,
        ordered: marker.ordered,
      });
      continue;
    }
    flush();
    if (level !== undefined) blocks.push({ type: "heading", level, text, page });
    else if (paragraph.mono && !typography.bodyMono && paragraph.text.length > 8) {
      const last = blocks.at(-1);
      const code = paragraph.lines.map((line) => line.text).join("\n");
      if (last?.type === "code") last.text += `\n${code}`;
      else blocks.push({ type: "code", text: code, page });
    } else blocks.push({ type: "paragraph", text, page });
  }
  flush();
  return blocks;
}

interface Placed {
  item: ListItem;
  left: number;
  ordered: boolean;
}

/** Starts a new list where bullets turn into numbers, or back, at the depth of the first item. */
function listBlocks(items: readonly Placed[], page: number): Block[] {
  const lists: Placed[][] = [];
  for (const placed of items) {
    const first = lists.at(-1)?.[0];
    const other =
      first !== undefined && first.ordered !== placed.ordered && placed.left <= first.left + SAME_INDENT;
    if (first === undefined || other) lists.push([placed]);
    else lists.at(-1)?.push(placed);
  }
  return lists.map((list) => listBlock(list, page));
}

/** A single numbered item may be a sentence that starts with a number: it stays a paragraph, number and all. */
function listBlock(items: readonly Placed[], page: number): Block {
  const first = items[0] as Placed;
  if (items.length === 1 && first.ordered) {
    return { type: "paragraph", text: `${first.item.marker} ${first.item.text}`, page };
  }
  const lefts: number[] = [];
  for (const left of items.map((i) => i.left).sort((a, b) => a - b)) {
    if (left - (lefts.at(-1) ?? Number.NEGATIVE_INFINITY) > SAME_INDENT) lefts.push(left);
  }
  const levelOf = (left: number) =>
    Math.max(
      0,
      lefts.findLastIndex((l) => left >= l - 0.5),
    );
  return {
    type: "list",
    ordered: first.ordered,
    items: items.map(({ item, left }) => ({ ...item, level: levelOf(left) })),
    page,
  };
}

function tableBlock(table: TableBox, page: number): Block {
  const rows: TableCell[][] = table.rows.map((row) =>
    row.map((cell) => ({
      text: cell.text,
      ...(cell.columnSpan > 1 ? { columnSpan: cell.columnSpan } : {}),
      ...(cell.rowSpan > 1 ? { rowSpan: cell.rowSpan } : {}),
    })),
  );
  return { type: "table", rows, headerRows: 1, page };
}
