import { codePage, encodingOfCharset, type RtfFont } from "./charsets.ts";

/** What a style makes of a paragraph. */
export interface RtfStyle {
  headingLevel: number | undefined;
  isQuote: boolean;
}

/** The font table and the style sheet, filled while they are read. */
export interface RtfHead {
  font(number: number): RtfFont | undefined;
  style(number: number): RtfStyle | undefined;
  fontControl(name: string, value: number | undefined): void;
  styleControl(name: string, value: number | undefined): void;
  /** The name that ends an entry. */
  endFont(name: string): void;
  endStyle(name: string): void;
}

const MAX_ENTRIES = 10_000;
const NUMBERED = /^(?:heading|überschrift|titre|encabezado|titolo|kop|rubrik|nagłówek|заголовок) ?([1-9])$/;

export function createHead(): RtfHead {
  const fonts = new Map<number, RtfFont>();
  const styles = new Map<number, RtfStyle>();
  let font: RtfFont | undefined;
  let styleNumber = -1;
  let outlineLevel: number | undefined;
  return {
    font: (number) => fonts.get(number),
    style: (number) => styles.get(number),
    fontControl(name, value = 0) {
      if (name === "f") {
        font = { name: "", encoding: undefined, isSymbol: false };
        if (fonts.size < MAX_ENTRIES) fonts.set(value, font);
      } else if (font !== undefined && name === "fcharset") {
        font.encoding = encodingOfCharset(value);
        font.isSymbol = value === 2;
      } else if (font !== undefined && name === "cpg") font.encoding = codePage(value);
    },
    styleControl(name, value = 0) {
      if (/^(?:s|cs|ds|ts)$/.test(name)) {
        styleNumber = name === "s" ? value : -1;
        outlineLevel = undefined;
      } else if (name === "outlinelevel") outlineLevel = value;
    },
    endFont(name) {
      if (font === undefined) return;
      font.name = name;
      if (/^(?:symbol|wingdings)/i.test(name)) font.isSymbol = true;
    },
    endStyle(name) {
      if (styleNumber >= 0 && styles.size < MAX_ENTRIES) styles.set(styleNumber, styleOf(name, outlineLevel));
    },
  };
}

function styleOf(name: string, outlineLevel: number | undefined): RtfStyle {
  const plain = name.split(",")[0]?.trim().toLowerCase() ?? "";
  const level =
    outlineLevel !== undefined && outlineLevel < 9
      ? outlineLevel + 1
      : Number(NUMBERED.exec(plain)?.[1] ?? 0);
  const named = plain === "title" ? 1 : plain === "subtitle" ? 2 : undefined;
  return {
    headingLevel: level > 0 ? Math.min(6, level) : named,
    isQuote: /^(?:intense )?quote$/.test(plain),
  };
}
