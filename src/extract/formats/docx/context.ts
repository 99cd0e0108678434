import type { OutputBudget } from "../../flow.ts";
import type { Block } from "../../model.ts";
import type { Relationships } from "../ooxml/package.ts";
import type { NumberingCounter } from "./numbering.ts";
import type { Styles } from "./styles.ts";

/** A part that belongs at this place and is read once the story it stands in has been. */
export interface PartReference {
  type: "part";
  kind: "chart" | "diagram";
  part: string;
  page?: number;
}

export type StoryItem = Block | PartReference;

/** What the parts of one document share while they are read. */
export interface DocxContext {
  styles: Styles;
  numbering: NumberingCounter;
  /** Of the part being read. */
  relationships: Relationships;
  includeTables: boolean;
  budget: OutputBudget;
  notes: NoteReferences;
  /** Addresses the document links to. */
  links: Set<string>;
  /** Kinds of content that were left out. */
  skipped: Set<string>;
}

/** Footnotes, endnotes and comments in the order in which the text refers to them. */
export interface NoteReferences {
  footnotes: string[];
  endnotes: string[];
  comments: string[];
}
