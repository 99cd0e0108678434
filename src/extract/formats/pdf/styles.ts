import type { Engine } from "./engine.ts";
import type { Tags } from "./tags.ts";

const FIXED_PITCH = 1;
const FORCE_BOLD = 1 << 18;
const BOLD_NAME = /bold|black|heavy|semibold|demi(?!cond)/iu;
const MONO_NAME = /mono|courier|consol|menlo|typewriter|cmtt|fixed/iu;
const MAX_STYLES = 200_000;

/** How the characters of one text object look; shared by all of them. */
export interface Style {
  size: number;
  bold: boolean;
  mono: boolean;
  /** Direction of the text in whole degrees, in steps of 15. */
  angle: number;
  cos: number;
  sin: number;
  tag?: string;
}

/** Looks up the style of a character by the text object it belongs to, each object and each font once. */
export function createStyles(engine: Engine, textPage: number, tags: Tags) {
  const { scratch } = engine;
  const matrix = engine.fn("FPDFText_GetMatrix");
  const fontSize = engine.fn("FPDFText_GetFontSize");
  const getFont = engine.fn("FPDFTextObj_GetFont");
  const markedContent = engine.fn("FPDFPageObj_GetMarkedContentID");
  const known = new Map<number, Style>();
  const fonts = new Map<number, { bold: boolean; mono: boolean }>();
  let lastObject = -1;
  let lastStyle: Style = { size: 1, bold: false, mono: false, angle: 0, cos: 1, sin: 0 };

  const font = (address: number) => {
    let found = fonts.get(address);
    if (found === undefined) {
      const name = engine.utf8((at, size) => engine.fn("FPDFFont_GetBaseFontName")(address, at, size));
      const flags = Math.max(0, engine.fn("FPDFFont_GetFlags")(address));
      found = {
        bold: BOLD_NAME.test(name) || (flags & FORCE_BOLD) !== 0,
        mono: MONO_NAME.test(name) || (flags & FIXED_PITCH) !== 0,
      };
      fonts.set(address, found);
    }
    return found;
  };

  const build = (object: number, index: number): Style => {
    let [a, b, c, d] = [1, 0, 0, 1];
    if (matrix(textPage, index, scratch) !== 0) {
      [a, b, c, d] = [
        engine.f32(scratch),
        engine.f32(scratch + 4),
        engine.f32(scratch + 8),
        engine.f32(scratch + 12),
      ];
    }
    const scale = Math.hypot(c, d) || Math.hypot(a, b) || 1;
    const size = Math.round(fontSize(textPage, index) * scale * 20) / 20;
    const degrees = a === 0 && b === 0 ? 0 : (Math.atan2(b, a) * 180) / Math.PI;
    const angle = (((Math.round(degrees / 15) * 15) % 360) + 360) % 360;
    const address = object === 0 ? 0 : getFont(object);
    const { bold, mono } = address === 0 ? { bold: false, mono: false } : font(address);
    const tag = tags.size === 0 || object === 0 ? undefined : tags.get(markedContent(object));
    return {
      size: size > 0.5 && Number.isFinite(size) ? size : 1,
      bold,
      mono,
      angle,
      cos: Math.round(Math.cos((angle * Math.PI) / 180) * 1e9) / 1e9,
      sin: Math.round(Math.sin((angle * Math.PI) / 180) * 1e9) / 1e9,
      ...(tag === undefined ? {} : { tag }),
    };
  };

  return {
    of(object: number, index: number): Style {
      if (object === lastObject) return lastStyle;
      let style = object === 0 ? undefined : known.get(object);
      if (style === undefined) {
        style = build(object, index);
        if (object !== 0 && known.size < MAX_STYLES) known.set(object, style);
      }
      lastObject = object;
      lastStyle = style;
      return style;
    },
  };
}
