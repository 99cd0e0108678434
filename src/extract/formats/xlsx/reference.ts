/** Rows and columns count from 0; `bottom` and `right` are inside. */
export interface Area {
  top: number;
  left: number;
  bottom: number;
  right: number;
}

export const MAX_ROW = 1_048_575;
export const MAX_COLUMN = 16_383;

/** `B3` as row and column, or undefined when it is none. */
export function cellAt(reference: string): { row: number; column: number } | undefined {
  const [, letters, digits] = /^\$?([A-Za-z]{1,3})\$?(\d{1,7})$/.exec(reference) ?? [];
  if (letters === undefined || digits === undefined) return undefined;
  let column = 0;
  for (const letter of letters.toUpperCase()) column = column * 26 + letter.charCodeAt(0) - 64;
  const row = Number(digits) - 1;
  if (row < 0 || row > MAX_ROW || column - 1 > MAX_COLUMN) return undefined;
  return { row, column: column - 1 };
}

/** `B3:C7` as an area; a single cell is one too. */
export function areaOf(reference: string): Area | undefined {
  const [first = "", last = first] = reference.split(":");
  const from = cellAt(first);
  const to = cellAt(last);
  if (from === undefined || to === undefined) return undefined;
  return {
    top: Math.min(from.row, to.row),
    left: Math.min(from.column, to.column),
    bottom: Math.max(from.row, to.row),
    right: Math.max(from.column, to.column),
  };
}
