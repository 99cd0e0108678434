import { FORMAT_BY_CODE, formatNumber } from "../ooxml/list-number.ts";
import type { WordFile } from "./fib.ts";

interface ListLevel {
  start: number;
  format: number;
  /** The number as it is written; characters 0 to 8 stand for the numbers of the levels. */
  template: string;
}

const [LISTS, OVERRIDES] = [73, 74];
const MAX_LISTS = 20_000;

/** Counts the items of the document's lists. */
export interface WordLists {
  /** The marker of the next item, and whether it is a number. */
  next(list: number, level: number): { marker: string; ordered: boolean };
}

export function readLists(word: WordFile): WordLists {
  const lists = readLevels(word);
  const overrides = readOverrides(word.structure(OVERRIDES));
  const counts = new Map<number, number[]>();
  return {
    next(list, level) {
      const id = overrides[list - 1] ?? Number.NaN;
      const levels = lists.get(id);
      const own = levels?.[level];
      const format = own === undefined ? undefined : FORMAT_BY_CODE[own.format];
      if (levels === undefined || own === undefined || format === undefined)
        return { marker: "-", ordered: false };
      const numbers = counts.get(id) ?? [];
      numbers.length = Math.min(numbers.length, level + 1);
      for (let i = 0; i < level; i++) numbers[i] ??= levels[i]?.start ?? 1;
      numbers[level] = numbers[level] === undefined ? own.start : (numbers[level] ?? 0) + 1;
      counts.set(id, numbers);
      let marker = "";
      for (const sign of own.template) {
        const place = sign.charCodeAt(0);
        if (place > 8) marker += sign;
        else
          marker += formatNumber(
            numbers[place] ?? 1,
            FORMAT_BY_CODE[levels[place]?.format ?? 0] ?? "decimal",
          );
      }
      return { marker: marker.trim() || `${numbers[level]}.`, ordered: true };
    },
  };
}

/** The list formats lie one after the other, their levels behind all of them. */
function readLevels(word: WordFile): Map<number, ListLevel[]> {
  const lists = new Map<number, ListLevel[]>();
  const table = word.structure(LISTS);
  if (table.length < 2) return lists;
  const count = Math.min(MAX_LISTS, table.readUInt16LE(0));
  // The levels are not counted in the size of the structure.
  const start = word.table.indexOf(table.subarray(0, 2 + count * 28));
  const data = start < 0 ? table : word.table.subarray(start);
  let at = 2 + count * 28;
  try {
    for (let i = 0; i < count; i++) {
      const id = data.readInt32LE(2 + i * 28);
      const isSimple = ((data[2 + i * 28 + 26] ?? 0) & 1) !== 0;
      const levels: ListLevel[] = [];
      for (let j = 0; j < (isSimple ? 1 : 9); j++) {
        const skipped = 28 + (data[at + 24] ?? 0) + (data[at + 25] ?? 0);
        const length = data.readUInt16LE(at + skipped);
        levels.push({
          start: data.readInt32LE(at),
          format: data[at + 4] ?? 255,
          template: data.toString("utf16le", at + skipped + 2, at + skipped + 2 + Math.min(length, 64) * 2),
        });
        at += skipped + 2 + length * 2;
      }
      lists.set(id, levels);
    }
  } catch {
    // Behind the damage, items have no numbers.
  }
  return lists;
}

function readOverrides(table: Buffer): number[] {
  const overrides: number[] = [];
  if (table.length < 4) return overrides;
  const count = Math.min(MAX_LISTS, table.readUInt32LE(0));
  for (let i = 0; i < count && 4 + i * 16 + 4 <= table.length; i++)
    overrides.push(table.readInt32LE(4 + i * 16));
  return overrides;
}
