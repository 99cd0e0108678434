import type { WordFile } from "./fib.ts";
import { paragraphFormat } from "./formatting.ts";

/** What a style makes of a paragraph, with all that it inherits. */
export interface WordStyle {
  headingLevel: number | undefined;
  isQuote: boolean;
  list: number | undefined;
  level: number;
}

interface Definition {
  builtIn: number;
  base: number;
  name: string;
  outlineLevel: number | undefined;
  list: number | undefined;
  level: number;
}

const STYLE_SHEET = 1;
const MAX_ANCESTORS = 16;
const [TITLE, SUBTITLE, QUOTE, INTENSE_QUOTE] = [62, 74, 179, 180];

/** The styles by their number. A damaged style sheet costs the headings, not the text. */
export function readStyles(word: WordFile): (index: number) => WordStyle {
  const definitions = readDefinitions(word.structure(STYLE_SHEET));
  const known = new Map<number, WordStyle>();
  return (index) => {
    let style = known.get(index);
    if (style === undefined) {
      style = resolve(definitions, index);
      known.set(index, style);
    }
    return style;
  };
}

function resolve(definitions: readonly (Definition | undefined)[], index: number): WordStyle {
  const style: WordStyle = { headingLevel: undefined, isQuote: false, list: undefined, level: 0 };
  let at = definitions[index];
  for (let i = 0; at !== undefined && i < MAX_ANCESTORS; i++) {
    style.headingLevel ??= headingLevel(at);
    style.isQuote ||= at.builtIn === QUOTE || at.builtIn === INTENSE_QUOTE;
    if (style.list === undefined && at.list !== undefined) {
      style.list = at.list;
      style.level = at.level;
    }
    at = at.base === 0xfff ? undefined : definitions[at.base];
  }
  return style;
}

function headingLevel({ builtIn, outlineLevel, name }: Definition): number | undefined {
  if (builtIn >= 1 && builtIn <= 9) return Math.min(6, builtIn);
  if (outlineLevel !== undefined && outlineLevel < 9) return Math.min(6, outlineLevel + 1);
  if (builtIn === TITLE || /^title$/i.test(name)) return 1;
  return builtIn === SUBTITLE || /^subtitle$/i.test(name) ? 2 : undefined;
}

function readDefinitions(sheet: Buffer): (Definition | undefined)[] {
  const definitions: (Definition | undefined)[] = [];
  if (sheet.length < 8) return definitions;
  const headBytes = sheet.readUInt16LE(0);
  const count = Math.min(0x0fff, sheet.readUInt16LE(2));
  const baseBytes = sheet.readUInt16LE(4);
  let at = 2 + headBytes;
  for (let i = 0; i < count && at + 2 <= sheet.length; i++) {
    const size = sheet.readUInt16LE(at);
    const style = sheet.subarray(at + 2, at + 2 + size);
    definitions[i] = size >= 12 && style.length === size ? definition(style, baseBytes) : undefined;
    at += 2 + size + (size % 2);
  }
  return definitions;
}

function definition(style: Buffer, baseBytes: number): Definition | undefined {
  const kind = style.readUInt16LE(2) & 0x0f;
  const nameAt = baseBytes + 2;
  if (kind !== 1 || nameAt > style.length) return undefined;
  const nameBytes = style.readUInt16LE(baseBytes) * 2;
  const changesAt = nameAt + nameBytes + 2;
  const hasChanges = changesAt + 4 <= style.length;
  const changes = hasChanges
    ? style.subarray(changesAt + 4, changesAt + 2 + style.readUInt16LE(changesAt))
    : Buffer.alloc(0);
  const format = paragraphFormat(changes, 0);
  return {
    builtIn: style.readUInt16LE(0) & 0x0fff,
    base: style.readUInt16LE(2) >> 4,
    name: style.toString("utf16le", nameAt, nameAt + nameBytes),
    outlineLevel: format.outlineLevel,
    list: format.list,
    level: format.level,
  };
}
