/** What was found, for the counts in the metadata. */
export type Kind = "email" | "phone" | "card" | "iban" | "pattern";

/** A place in a text, in UTF-16 units: `text.slice(start, end)`. */
export interface Match {
  readonly kind: Kind;
  readonly start: number;
  readonly end: number;
}

/** Every place in a text, in any order; they may overlap. Takes time in proportion to the text. */
export type Find = (text: string) => Match[];

/** Signs that nobody sees and that must not hide what stands around them: soft hyphens, joiners, marks of order. */
export const UNSEEN = "\\u00AD\\u200B-\\u200F\\u2060\\uFEFF";
