import { child, elements, type XmlElement } from "../../xml.ts";
import { formatNumber } from "../ooxml/list-number.ts";

interface Level {
  start: number;
  format: string;
  text: string;
  /** Restarts after a number at this level (counted from 1) or above; 0 = never. */
  restart: number | undefined;
  legal: boolean;
  style: string | undefined;
}

interface Numbering {
  abstractId: string;
  levels: Map<number, Level>;
  starts: Map<number, number>;
}

/** A paragraph's place in a list. */
export interface ListPlace {
  numId: string;
  level: number;
  ordered: boolean;
  marker: string;
}

/** Counts the lists of one document, in the order of its paragraphs. */
export interface NumberingCounter {
  /** Takes the next number. Undefined when there is no such list. */
  next(numId: string, level: number | undefined, styleId: string): ListPlace | undefined;
}

const MAX_LEVEL = 8;
const DEFAULT_LEVEL: Level = {
  start: 1,
  format: "bullet",
  text: "•",
  restart: undefined,
  legal: false,
  style: undefined,
};

/** Reads `numbering.xml` and starts counting. */
export function createNumbering(root: XmlElement | undefined): NumberingCounter {
  const numberings = readNumberings(root);
  // Lists made from the same definition go on counting each other.
  const counts = new Map<string, (number | undefined)[]>();
  const started = new Set<string>();

  return {
    next(numId, wanted, styleId) {
      const numbering = numberings.get(numId);
      if (numbering === undefined) return undefined;
      const level = Math.min(MAX_LEVEL, Math.max(0, wanted ?? levelOfStyle(numbering, styleId)));
      const definition = numbering.levels.get(level) ?? DEFAULT_LEVEL;
      const count = counts.get(numbering.abstractId) ?? [];
      counts.set(numbering.abstractId, count);
      if (!started.has(numId)) {
        started.add(numId);
        for (const [at, start] of numbering.starts) count[at] = start - 1;
      }
      count[level] = (count[level] ?? definition.start - 1) + 1;
      for (let below = level + 1; below <= MAX_LEVEL; below++) {
        const restart = numbering.levels.get(below)?.restart;
        if (restart === undefined || (restart > 0 && level < restart)) count[below] = undefined;
      }
      const ordered = definition.format !== "bullet";
      const marker = ordered ? markerOf(definition, numbering, count) : bullet(definition.text);
      return { numId, level, ordered, marker };
    },
  };
}

function levelOfStyle(numbering: Numbering, styleId: string): number {
  for (const [level, { style }] of numbering.levels) if (style === styleId) return level;
  return 0;
}

function markerOf(definition: Level, numbering: Numbering, count: readonly (number | undefined)[]): string {
  return definition.text
    .replace(/%([1-9])/g, (_, digit: string) => {
      const at = Number(digit) - 1;
      const level = numbering.levels.get(at) ?? DEFAULT_LEVEL;
      const format = definition.legal ? "decimal" : level.format === "bullet" ? "decimal" : level.format;
      return formatNumber(count[at] ?? level.start, format);
    })
    .trim();
}

// Bullets come as letters and private characters of symbol fonts, which mean nothing as text.
function bullet(text: string): string {
  return text.trim() === "" || /[\p{L}\p{N}\p{Co}%]/u.test(text) ? "•" : text.trim();
}

function readNumberings(root: XmlElement | undefined): Map<string, Numbering> {
  const abstracts = new Map<string, XmlElement>();
  const byStyle = new Map<string, XmlElement>();
  for (const abstract of elements(root, "w:abstractNum")) {
    abstracts.set(abstract.attributes["w:abstractNumId"] ?? "", abstract);
    const style = child(abstract, "w:styleLink")?.attributes["w:val"];
    if (style !== undefined) byStyle.set(style, abstract);
  }
  const numberings = new Map<string, Numbering>();
  for (const num of elements(root, "w:num")) {
    const abstractId = child(num, "w:abstractNumId")?.attributes["w:val"] ?? "";
    let abstract = abstracts.get(abstractId);
    const link = child(abstract, "w:numStyleLink")?.attributes["w:val"];
    if (link !== undefined) abstract = byStyle.get(link) ?? abstract;
    const levels = new Map<number, Level>();
    const starts = new Map<number, number>();
    for (const level of elements(abstract, "w:lvl")) readLevel(level, levels);
    for (const override of elements(num, "w:lvlOverride")) {
      const at = Number(override.attributes["w:ilvl"]);
      for (const level of elements(override, "w:lvl")) readLevel(level, levels);
      const start = Number(child(override, "w:startOverride")?.attributes["w:val"] ?? Number.NaN);
      if (Number.isInteger(start) && at >= 0 && at <= MAX_LEVEL) starts.set(at, start);
    }
    numberings.set(num.attributes["w:numId"] ?? "", { abstractId, levels, starts });
  }
  return numberings;
}

function readLevel(element: XmlElement, levels: Map<number, Level>): void {
  const at = Number(element.attributes["w:ilvl"]);
  if (!Number.isInteger(at) || at < 0 || at > MAX_LEVEL) return;
  const value = (name: string) => child(element, name)?.attributes["w:val"];
  const start = Number(value("w:start") ?? 1);
  const restart = value("w:lvlRestart");
  levels.set(at, {
    start: Number.isInteger(start) ? start : 1,
    format: value("w:numFmt") ?? "decimal",
    text: value("w:lvlText") ?? `%${at + 1}.`,
    restart: restart === undefined ? undefined : Number(restart),
    legal: child(element, "w:isLgl") !== undefined,
    style: value("w:pStyle"),
  });
}
