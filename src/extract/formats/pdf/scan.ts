import { isRtl, type Placed, repairLigatures } from "./arabic.ts";
import type { Engine } from "./engine.ts";
import { type Box, type PageContent, type Rule, type Segment, toFrame } from "./geometry.ts";
import { UNKNOWN_SIGN } from "./markers.ts";
import { readObjects } from "./objects.ts";
import { createStyles, type Style } from "./styles.ts";
import type { Tags } from "./tags.ts";

const HYPHEN_AT_LINE_END = 2;
const LETTER = /[\p{L}\p{N}]/u;
const MEANINGLESS = /[\uFFFD\p{Co}]/gu;
const MAX_DIVIDERS = 300;
const ASCENT = 0.75;
const DESCENT = 0.22;
/** Gap, in parts of the font size, that parts columns and cells; spaces between words are far smaller. */
const WIDE_GAP = 1.15;

interface Glyph extends Placed {
  baseline: number;
  style: Style;
}

/** What the reader of one page needs beside the page itself. */
export interface ScanBudget {
  maxCharacters: number;
}

/** Reads characters with their places, and rules and images, from a loaded page. Closes what it opens. */
export function scanPage(
  engine: Engine,
  page: number,
  number: number,
  tags: Tags,
  budget: ScanBudget,
): PageContent {
  const width = engine.fn("FPDF_GetPageWidthF")(page);
  const height = engine.fn("FPDF_GetPageHeightF")(page);
  const textPage = engine.fn("FPDFText_LoadPage")(page);
  const byAngle = new Map<number, Glyph[][]>();
  let characters = 0;
  let truncated = false;
  try {
    if (textPage !== 0) {
      truncated = engine.fn("FPDFText_CountChars")(textPage) > budget.maxCharacters;
      characters = readGlyphs(engine, textPage, tags, budget, byAngle);
    }
  } finally {
    if (textPage !== 0) engine.fn("FPDFText_ClosePage")(textPage);
  }

  const lengths = [...byAngle].map(([angle, lines]) => ({
    angle,
    length: lines.reduce((n, l) => n + l.length, 0),
  }));
  lengths.sort((a, b) => b.length - a.length || a.angle - b.angle);
  const main = lengths[0]?.angle ?? 0;
  const objects = readObjects(engine, page, main);
  const dividers = objects.rules.filter((rule) => !rule.horizontal).slice(0, MAX_DIVIDERS);

  let order = 0;
  const found = lengths.map(({ angle }) => {
    const lines = byAngle.get(angle) ?? [];
    const segments: Segment[] = [];
    for (const line of lines) {
      repairLigatures(line);
      for (const segment of cutLine(line, angle === main ? dividers : [])) {
        order += 1;
        segments.push({ ...segment, order });
      }
    }
    return segments;
  });
  return {
    page: number,
    width,
    height,
    groups: found.filter((segments) => segments.length > 0),
    rules: objects.rules,
    images: objects.images,
    imageShare: Math.min(1, objects.imageArea / Math.max(1, width * height)),
    imagePixels: objects.imagePixels,
    paths: objects.paths,
    box: pageBox(engine, page, main, width, height),
    characters,
    unknown: countUnknown(found),
    truncated,
  };
}

function countUnknown(groups: readonly Segment[][]): number {
  let unknown = 0;
  for (const { text } of groups.flat()) unknown += text.match(MEANINGLESS)?.length ?? 0;
  return unknown;
}

/** Reads all characters as lines in the order of the content stream, parted by the direction in which they run. */
function readGlyphs(
  engine: Engine,
  textPage: number,
  tags: Tags,
  budget: ScanBudget,
  byAngle: Map<number, Glyph[][]>,
): number {
  const { scratch } = engine;
  const unicode = engine.fn("FPDFText_GetUnicode");
  const textObject = engine.fn("FPDFText_GetTextObject");
  const looseBox = engine.fn("FPDFText_GetLooseCharBox");
  const origin = engine.fn("FPDFText_GetCharOrigin");
  const styles = createStyles(engine, textPage, tags);
  const count = Math.min(engine.fn("FPDFText_CountChars")(textPage), budget.maxCharacters);

  let line: Glyph[] = [];
  let lineAngle = 0;
  let last: Glyph | undefined;
  let characters = 0;
  const flush = () => {
    if (last !== undefined) {
      const lines = byAngle.get(lineAngle) ?? [];
      lines.push(line);
      byAngle.set(lineAngle, lines);
    }
    line = [];
    last = undefined;
  };

  for (let i = 0; i < count; i += 1) {
    const code = unicode(textPage, i);
    if (code === 13 || code === 10) {
      flush();
      continue;
    }
    if (code === 0 || code > 0x10ffff || code === 0xfffe || code === 0xffff) continue;
    if (code === 32 || code === 9 || code === 0xa0) {
      if (last !== undefined)
        line.push({
          text: " ",
          x: last.x,
          right: last.right,
          y: last.y,
          baseline: last.baseline,
          style: last.style,
        });
      continue;
    }
    if (code < 32 && code !== HYPHEN_AT_LINE_END) continue;
    // A control character is a glyph whose meaning the font does not tell; a sign at the start of a line, a bullet.
    const unknown = code >= 0x7f && code < 0xa0;
    const object = textObject(textPage, i);
    const style = styles.of(object, i);
    const text = unknown ? UNKNOWN_SIGN : code === HYPHEN_AT_LINE_END ? "-" : String.fromCodePoint(code);

    if (looseBox(textPage, i, scratch) === 0) continue;
    const left = engine.f32(scratch);
    const top = engine.f32(scratch + 4);
    const right = engine.f32(scratch + 8);
    const bottom = engine.f32(scratch + 12);
    if (origin(textPage, i, scratch, scratch + 8) === 0) continue;
    const x = engine.f64(scratch);
    const y = engine.f64(scratch + 8);

    const { cos, sin } = style;
    const along = x * cos + y * sin;
    const glyph: Glyph = { text, x: along, right: along, y: 0, baseline: x * sin - y * cos, style };
    if (style.angle % 90 === 0) {
      const a = left * cos + bottom * sin;
      const b = right * cos + top * sin;
      glyph.x = Math.min(a, b);
      glyph.right = Math.max(a, b);
    } else {
      glyph.right = along + Math.hypot(right - left, top - bottom) * 0.6;
    }
    glyph.y = glyph.baseline;
    if (!Number.isFinite(glyph.x + glyph.right + glyph.baseline)) continue;

    if (last !== undefined && (style.angle !== lineAngle || leavesLine(last, glyph))) flush();
    lineAngle = style.angle;
    line.push(glyph);
    last = glyph;
    characters += 1;
  }
  flush();
  return characters;
}

/** True when the character cannot stand on the line of the one before: a line feed that PDFium did not mark. */
function leavesLine(last: Glyph, next: Glyph): boolean {
  const size = Math.max(last.style.size, next.style.size);
  const off = Math.abs(next.baseline - last.baseline);
  if (off > 0.9 * size) return true;
  return off > 0.5 * Math.min(last.style.size, next.style.size) && next.right < last.x;
}

/** Cuts a line where a wide gap or a drawn rule parts columns or cells, or where the pen jumps back. */
function cutLine(line: readonly Glyph[], dividers: readonly Rule[]): Omit<Segment, "order">[] {
  const segments: Omit<Segment, "order">[] = [];
  let start = 0;
  let last: Glyph | undefined;
  for (let i = 0; i < line.length; i += 1) {
    const glyph = line[i] as Glyph;
    if (glyph.text === " ") continue;
    if (last !== undefined) {
      const gap = Math.max(glyph.x - last.right, last.x - glyph.right);
      const size = Math.max(last.style.size, glyph.style.size);
      const rtl = isRtl(last.text) || isRtl(glyph.text);
      const back = !rtl && glyph.x < last.x - 2 * size;
      const tagged = last.style.tag !== glyph.style.tag && gap > 0.6 * size;
      if (gap > WIDE_GAP * size || back || tagged || (gap > 0.2 * size && divides(dividers, last, glyph))) {
        segments.push(toSegment(line.slice(start, i)));
        start = i;
      }
    }
    last = glyph;
  }
  segments.push(toSegment(line.slice(start)));
  return segments.filter((s) => s.text !== "");
}

function divides(dividers: readonly Rule[], a: Glyph, b: Glyph): boolean {
  const [left, right] = a.x < b.x ? [a.right, b.x] : [b.right, a.x];
  const y = a.baseline - 0.3 * a.style.size;
  return dividers.some(
    (rule) => rule.x0 >= left - 0.5 && rule.x1 <= right + 0.5 && rule.y0 <= y && rule.y1 >= y,
  );
}

function toSegment(glyphs: readonly Glyph[]): Omit<Segment, "order"> {
  const visible = glyphs.filter((glyph) => glyph.text !== " ");
  const letters = visible.filter((glyph) => LETTER.test(glyph.text));
  // Bullets and other signs are often set larger or in a font of their own: letters say how the text looks.
  const telling = letters.length > 0 ? letters : visible;
  let [x0, x1] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const glyph of visible) {
    if (glyph.x < x0) x0 = glyph.x;
    if (glyph.right > x1) x1 = glyph.right;
  }
  let [bold, mono, rtl] = [0, 0, 0];
  const sizes = new Map<number, number>();
  let main = telling[0];
  for (const glyph of telling) {
    if (glyph.style.bold) bold += 1;
    if (glyph.style.mono) mono += 1;
    if (isRtl(glyph.text)) rtl += 1;
    const seen = (sizes.get(glyph.style.size) ?? 0) + 1;
    sizes.set(glyph.style.size, seen);
    if (main === undefined || seen > (sizes.get(main.style.size) ?? 0)) main = glyph;
  }
  const weight = visible.length;
  const text = glyphs.map((glyph) => glyph.text).join("");
  const size = main?.style.size ?? 1;
  const baseline = main?.baseline ?? 0;
  const tag = main?.style.tag;
  return {
    text: text.replace(/ +/gu, " ").trim(),
    x0,
    x1,
    y0: baseline - ASCENT * size,
    y1: baseline + DESCENT * size,
    baseline,
    size,
    bold: bold > 0.6 * telling.length,
    mono: mono > 0.8 * telling.length,
    rtl: rtl > 0.4 * telling.length,
    weight,
    ...(tag === undefined ? {} : { tag }),
  };
}

/** The visible page in the frame of text that runs at `angle`. */
function pageBox(engine: Engine, page: number, angle: number, width: number, height: number): Box {
  const { scratch } = engine;
  let [l, b, r, t] = [0, 0, width, height];
  if (engine.fn("FPDF_GetPageBoundingBox")(page, scratch) !== 0) {
    [l, t, r, b] = [
      engine.f32(scratch),
      engine.f32(scratch + 4),
      engine.f32(scratch + 8),
      engine.f32(scratch + 12),
    ];
  }
  return toFrame(l, b, r, t, angle);
}
