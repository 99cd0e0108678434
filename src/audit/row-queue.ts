import { monotonicMs } from "../lib/clock.ts";

/** A row as JSON, in which form it goes to the database and to the disk. */
export type RowText = string;

const MAX_ROWS = 10_000;
const MAX_BYTES = 32 * 1024 * 1024;

/** Rows that wait in memory, oldest first. */
export interface RowQueue {
  /** False, and the row is not taken, if it is full: 10,000 rows or 32 MiB. */
  add(row: RowText): boolean;
  /** The first of them; they stay. */
  peek(count: number): readonly RowText[];
  /** Takes away the first of them. */
  drop(count: number): void;
  readonly length: number;
  /** How long the first one has waited. */
  oldestMs(): number;
}

export function createRowQueue(now: () => number = monotonicMs): RowQueue {
  let rows: { readonly row: RowText; readonly sinceMs: number }[] = [];
  let chars = 0;
  return {
    add(row) {
      // A character of a JavaScript string takes two bytes at most.
      if (rows.length >= MAX_ROWS || (chars + row.length) * 2 > MAX_BYTES) return false;
      rows.push({ row, sinceMs: now() });
      chars += row.length;
      return true;
    },
    peek: (count) => rows.slice(0, count).map(({ row }) => row),
    drop(count) {
      for (const { row } of rows.slice(0, count)) chars -= row.length;
      rows = rows.slice(count);
    },
    get length() {
      return rows.length;
    },
    oldestMs: () => (rows[0] ? now() - rows[0].sinceMs : 0),
  };
}
