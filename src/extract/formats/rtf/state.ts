import type { Style } from "../../inline.ts";

/** Where the text of a group goes. */
export type Destination =
  | "body"
  | "skip"
  | "fonts"
  | "styles"
  | "lists"
  | "overrides"
  | "instruction"
  | "marker"
  | "info"
  | "author"
  | "time";

/** What a group inherits from the one around it. */
export interface GroupState {
  destination: Destination;
  /** The field of `info` or the like that the text belongs to. */
  field: string;
  font: number;
  look: { bold: boolean; italic: boolean; strike: boolean; sub: boolean; sup: boolean };
  hidden: boolean;
  link: string | undefined;
  /** Characters that stand in for one `\u` and are passed over. */
  fallback: number;
  paragraph: ParagraphState;
  /** Run when the group ends. */
  onClose: (() => void) | undefined;
}

export interface ParagraphState {
  style: number;
  outlineLevel: number | undefined;
  list: number;
  level: number;
  /** Tables that the paragraph lies in. */
  tables: number;
}

export const NO_LOOK = { bold: false, italic: false, strike: false, sub: false, sup: false };
export const NEW_PARAGRAPH: ParagraphState = {
  style: 0,
  outlineLevel: undefined,
  list: 0,
  level: 0,
  tables: 0,
};

export const FIRST_GROUP: GroupState = {
  destination: "body",
  field: "",
  font: -1,
  look: NO_LOOK,
  hidden: false,
  link: undefined,
  fallback: 1,
  paragraph: NEW_PARAGRAPH,
  onClose: undefined,
};

/** Turns the look of a group into the style of a stretch of text. */
export function styleOf({ look, link }: GroupState): Style {
  return {
    ...(look.bold && { bold: true }),
    ...(look.italic && { italic: true }),
    ...(look.strike && { strike: true }),
    ...(look.sub && { sub: true }),
    ...(look.sup && { sup: true }),
    ...(link !== undefined && { link }),
  };
}
