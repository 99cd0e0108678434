import { FORMAT_BY_CODE, formatNumber } from "../ooxml/list-number.ts";

const BULLET = 23;
const MAX_LISTS = 10_000;

interface ListLevel {
  format: number;
  start: number;
}

/** The list tables of a document, filled while they are read, and the counting of items. */
export interface RtfLists {
  /** `\list`, `\listlevel` and what stands in them, in order. */
  control(name: string, value: number | undefined): void;
  isOrdered(list: number, level: number): boolean;
  /** The marker of the next item, for documents that do not write it out. */
  next(list: number, level: number): string;
}

export function createLists(): RtfLists {
  let levels: ListLevel[] = [];
  const lists = new Map<number, ListLevel[]>();
  const overrides = new Map<number, number>();
  const counts = new Map<number, number[]>();
  let overrideId = 0;
  const levelOf = (list: number, level: number) => lists.get(overrides.get(list) ?? Number.NaN)?.[level];

  return {
    control(name, value = 0) {
      if (name === "list") levels = [];
      else if (name === "listlevel" && levels.length < 9) levels.push({ format: 0, start: 1 });
      else if (name === "levelnfc" || name === "levelnfcn") {
        const level = levels.at(-1);
        if (level) level.format = value;
      } else if (name === "levelstartat") {
        const level = levels.at(-1);
        if (level) level.start = value;
      } else if (name === "listid" && lists.size < MAX_LISTS) {
        if (levels.length > 0) lists.set(value, levels);
        levels = [];
        overrideId = value;
      } else if (name === "ls" && overrides.size < MAX_LISTS) overrides.set(value, overrideId);
    },
    isOrdered(list, level) {
      const known = levelOf(list, level);
      return known !== undefined && known.format !== BULLET && known.format !== 255;
    },
    next(list, level) {
      const known = levelOf(list, level);
      if (known === undefined || FORMAT_BY_CODE[known.format] === undefined) return "-";
      const id = overrides.get(list) ?? list;
      const numbers = counts.get(id) ?? [];
      numbers.length = Math.min(numbers.length, level + 1);
      numbers[level] = (numbers[level] ?? known.start - 1) + 1;
      counts.set(id, numbers);
      return `${formatNumber(numbers[level] ?? 1, FORMAT_BY_CODE[known.format] ?? "decimal")}.`;
    },
  };
}
