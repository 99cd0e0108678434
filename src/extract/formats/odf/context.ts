import type { OutputBudget } from "../../flow.ts";
import type { Block } from "../../model.ts";
import type { OdfStyles } from "./styles.ts";

/** What the parts of one document share while they are read. */
export interface OdfContext {
  styles: OdfStyles;
  budget: OutputBudget;
  includeTables: boolean;
  /** On slides a merged cell is layout: it stands once, and the places that it covers are empty. */
  leavesCoveredEmpty: boolean;
  /** Notes and remarks in the order in which the text refers to them. */
  notes: Block[];
  comments: Block[];
  links: Set<string>;
  /** Embedded objects that are read beforehand, by their folder. */
  objects: ReadonlyMap<string, Block>;
  /** Cells that may still be read. */
  cellsLeft: number;
  /** The last numbers of each list, for lists that go on. */
  numbers: Map<string, number[]>;
}

/** Cells with content that are read of one document. */
export const MAX_CELLS = 3_000_000;
export const MAX_LINKS = 10_000;
