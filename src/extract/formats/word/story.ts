import { createFlow, type Flow, type OutputBudget } from "../../flow.ts";
import type { Style } from "../../inline.ts";
import type { Block } from "../../model.ts";
import { type CellDefinition, type CellTable, createTable } from "./table.ts";

/** How a paragraph ends. */
export interface ParagraphEnd {
  headingLevel: number | undefined;
  isQuote: boolean;
  /** In a list: how deep, and the marker. */
  item: { level: number; marker: string; ordered: boolean; list: number } | undefined;
  tables: number;
}

/** A run of paragraphs and tables: the body, a note, a text box. */
export interface Story {
  text(text: string, style: Style, tables: number): void;
  endParagraph(end: ParagraphEnd): void;
  endCell(tables: number): void;
  endRow(tables: number, definitions: readonly CellDefinition[], isHeader: boolean): void;
  /** Blocks that follow the current paragraph. */
  attach(blocks: readonly Block[]): void;
  /** Whether the current paragraph has text. */
  hasText(): boolean;
  finish(): Block[];
}

/** Tables within tables that are kept apart; deeper ones flow into the one around them. */
const MAX_TABLES = 12;

interface Level {
  flow: Flow;
  /** Lists that are open in the flow: which, and how deep. */
  list: number;
  depth: number;
  table: CellTable;
  cells: Block[][];
  attached: Block[];
  hasText: boolean;
}

export function createStory(budget: OutputBudget, includeTables: boolean): Story {
  const newLevel = (): Level => ({
    flow: createFlow(budget),
    list: 0,
    depth: 0,
    table: createTable(),
    cells: [],
    attached: [],
    hasText: false,
  });
  // The first is the story itself; each other one is the cell that is being written of a table inside.
  const levels: Level[] = [newLevel()];
  const top = () => levels.at(-1) as Level;

  const closeLists = (level: Level) => {
    for (; level.depth > 0; level.depth--) level.flow.closeList();
    level.list = 0;
  };
  const endFlow = (level: Level): Block[] => {
    closeLists(level);
    for (const block of level.attached.splice(0)) level.flow.push(block);
    return level.flow.finish();
  };
  const closeTable = () => {
    const level = levels.pop() as Level;
    const rest = endFlow(level);
    // Text after the last mark of a cell, or cells without the end of their row.
    if (rest.length > 0) level.cells.push(rest);
    if (level.cells.length > 0) level.table.row(level.cells, [], false);
    closeLists(top());
    for (const block of level.table.finish()) {
      if (block.type !== "table" || includeTables) top().flow.push(block);
    }
  };
  const reach = (tables: number): Level => {
    const wanted = Math.min(Math.max(0, tables), MAX_TABLES) + 1;
    while (levels.length > wanted) closeTable();
    while (levels.length < wanted) {
      top().flow.endParagraph();
      levels.push(newLevel());
    }
    return top();
  };

  const openItem = (level: Level, item: NonNullable<ParagraphEnd["item"]>) => {
    if (level.list !== item.list && level.depth > 0 && item.level === 0) closeLists(level);
    level.list = item.list;
    const wanted = Math.min(item.level, 8) + 1;
    for (; level.depth > wanted; level.depth--) level.flow.closeList();
    for (; level.depth < wanted; level.depth++) level.flow.openList(item.ordered);
    level.flow.openItem(item.marker);
  };

  // The text of a paragraph comes before what it turns out to be: it is held until its end.
  let held: { text: string; style: Style }[] = [];
  const release = (flow: Flow) => {
    for (const { text, style } of held) flow.exact(text, style);
    held = [];
  };

  return {
    text(text, style, tables) {
      const level = reach(tables);
      if (text.trim() !== "") level.hasText = true;
      held.push({ text, style });
    },
    endParagraph({ headingLevel, isQuote, item, tables }) {
      const level = reach(tables);
      const isEmpty = !level.hasText;
      level.hasText = false;
      if (isEmpty) held = [];
      else if (headingLevel !== undefined) {
        closeLists(level);
        level.flow.endParagraph();
        if (item !== undefined && item.marker !== "-") level.flow.exact(`${item.marker} `);
        release(level.flow);
        level.flow.endHeading(headingLevel);
      } else if (item !== undefined) {
        openItem(level, item);
        release(level.flow);
        level.flow.endParagraph();
      } else {
        closeLists(level);
        if (isQuote) level.flow.openQuote();
        release(level.flow);
        if (isQuote) level.flow.closeQuote();
        else level.flow.endParagraph();
      }
      if (level.attached.length > 0) closeLists(level);
      for (const block of level.attached.splice(0)) level.flow.push(block);
    },
    endCell(tables) {
      const level = reach(Math.max(1, tables));
      level.cells.push(endFlow(level));
      level.flow = createFlow(budget);
    },
    endRow(tables, definitions, isHeader) {
      const level = reach(Math.max(1, tables));
      const rest = endFlow(level);
      if (rest.length > 0) level.cells.push(rest);
      level.flow = createFlow(budget);
      if (level.cells.length > 0) level.table.row(level.cells, definitions, isHeader);
      level.cells = [];
    },
    attach(blocks) {
      for (const block of blocks) if (block.type !== "table" || includeTables) top().attached.push(block);
    },
    hasText: () => top().hasText,
    finish() {
      while (levels.length > 1) closeTable();
      release(top().flow);
      return endFlow(top());
    },
  };
}
