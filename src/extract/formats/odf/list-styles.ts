import { elements, type XmlElement } from "../../xml.ts";
import { formatNumber } from "../ooxml/list-number.ts";

/** One level of a list style. */
interface ListLevel {
  /** Undefined for bullets. */
  format: string | undefined;
  prefix: string;
  suffix: string;
  start: number;
  /** How many levels its number shows, itself among them. */
  shown: number;
}

/** How the items of a list are marked, by level from 0. */
export interface ListStyle {
  isOrdered(level: number): boolean;
  start(level: number): number;
  /** The marker of an item by the current numbers of its level and those above; empty for bullets. */
  marker(level: number, numbers: readonly number[]): string;
}

const FORMATS: Readonly<Record<string, string>> = {
  a: "lowerLetter",
  A: "upperLetter",
  i: "lowerRoman",
  I: "upperRoman",
};
const MAX_LEVELS = 32;

/** Reads `text:list-style` or `text:outline-style`. */
export function readListStyle(element: XmlElement): ListStyle {
  const levels: (ListLevel | undefined)[] = [];
  for (const { name, attributes } of elements(element)) {
    const level = Number(attributes["text:level"]);
    if (!Number.isInteger(level) || level < 1 || level > MAX_LEVELS) continue;
    const number = attributes["style:num-format"] ?? "";
    const start = Number(attributes["text:start-value"] ?? 1);
    levels[level - 1] = {
      format: /number|outline/.test(name) && number !== "" ? (FORMATS[number] ?? "decimal") : undefined,
      prefix: attributes["style:num-prefix"] ?? "",
      suffix: attributes["style:num-suffix"] ?? "",
      start: Number.isInteger(start) ? start : 1,
      shown: Math.max(1, Number(attributes["text:display-levels"] ?? 1) || 1),
    };
  }
  const at = (level: number) => levels[Math.min(level, MAX_LEVELS - 1)];
  return {
    isOrdered: (level) => at(level)?.format !== undefined,
    start: (level) => at(level)?.start ?? 1,
    marker(level, numbers) {
      const own = at(level);
      if (own?.format === undefined) return "";
      const parts: string[] = [];
      for (let each = Math.max(0, level - own.shown + 1); each <= level; each++) {
        const format = at(each)?.format;
        if (format !== undefined) parts.push(formatNumber(numbers[each] ?? 1, format));
      }
      return `${own.prefix}${parts.join(".")}${own.suffix}`.trim();
    },
  };
}
