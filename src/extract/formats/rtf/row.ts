import type { CellDefinition } from "../word/table.ts";

/** What is said of a row of a table before or after its cells. */
export interface RtfRow {
  readonly definitions: readonly CellDefinition[];
  readonly isHeader: boolean;
  /** Between the beginning of a row and its end: what stands there is in a cell, whatever else it says. */
  readonly isOpen: boolean;
}

export const NO_ROW: RtfRow = { definitions: [], isHeader: false, isOpen: false };

const MAX_CELLS = 1024;

/** Follows the control words that define rows. */
export interface RowReader {
  current(): RtfRow;
  /** Goes on from here, e.g. after a text of its own within the row. */
  set(row: RtfRow): void;
  /** @returns whether the control word is one of a row's definition */
  control(name: string, value: number | undefined): boolean;
  end(): void;
}

export function createRowReader(): RowReader {
  let row = NO_ROW;
  let next = { goesOnLeft: false, goesOnAbove: false, startsBelow: false };
  const startCell = () => {
    next = { goesOnLeft: false, goesOnAbove: false, startsBelow: false };
  };
  return {
    current: () => row,
    set(other) {
      row = other;
    },
    end() {
      row = { ...row, isOpen: false };
    },
    control(name, value) {
      if (name === "trowd") {
        row = { definitions: [], isHeader: false, isOpen: true };
        startCell();
      } else if (name === "trhdr") row = { ...row, isHeader: true };
      else if (name === "clmrg") next.goesOnLeft = true;
      else if (name === "clvmgf") next.startsBelow = true;
      else if (name === "clvmrg") next.goesOnAbove = true;
      else if (name === "cellx") {
        const cell = { ...next, edge: value ?? 0 };
        if (row.definitions.length < MAX_CELLS) row = { ...row, definitions: [...row.definitions, cell] };
        startCell();
      } else return false;
      return true;
    },
  };
}
