import type { Engine } from "./engine.ts";
import { type Rule, toFrame } from "./geometry.ts";

const PATH = 2;
const IMAGE = 3;
const FORM = 5;
const MAX_OBJECTS = 30_000;
const MAX_RULES = 4_000;
const MAX_FORM_DEPTH = 4;
/** Thicker boxes are fills, not rules. */
const MAX_RULE_THICKNESS = 3;
const MIN_RULE_LENGTH = 6;

/** What a page draws beside its text. */
export interface PageObjects {
  images: number;
  /** Area of the page that its images cover, in square points; where they overlap, it counts twice. */
  imageArea: number;
  /** Pixels of its largest image. */
  imagePixels: number;
  /** Lines and areas. */
  paths: number;
  /** Thin boxes, and the sides of larger ones. */
  rules: Rule[];
}

/** Counts what a page draws and collects its rules, turned by `angle`. */
export function readObjects(engine: Engine, page: number, angle: number): PageObjects {
  const { scratch } = engine;
  const typeOf = engine.fn("FPDFPageObj_GetType");
  const bounds = engine.fn("FPDFPageObj_GetBounds");
  const segmentsOf = engine.fn("FPDFPath_CountSegments");
  const formCount = engine.fn("FPDFFormObj_CountObjects");
  const formObject = engine.fn("FPDFFormObj_GetObject");
  const rules: Rule[] = [];
  const pixelSize = engine.fn("FPDFImageObj_GetImagePixelSize");
  let [images, imageArea, imagePixels, paths, visited] = [0, 0, 0, 0, 0];

  const areaOf = (object: number): number => {
    if (bounds(object, scratch, scratch + 4, scratch + 8, scratch + 12) === 0) return 0;
    const width = engine.f32(scratch + 8) - engine.f32(scratch);
    const area = Math.abs(width * (engine.f32(scratch + 12) - engine.f32(scratch + 4)));
    return Number.isFinite(area) ? area : 0;
  };

  const visit = (object: number, depth: number): void => {
    visited += 1;
    if (object === 0 || visited > MAX_OBJECTS) return;
    const type = typeOf(object);
    if (type === PATH) paths += 1;
    if (type === IMAGE) {
      images += 1;
      imageArea += areaOf(object);
      if (pixelSize(object, scratch, scratch + 4) !== 0) {
        imagePixels = Math.max(imagePixels, engine.u32(scratch) * engine.u32(scratch + 4));
      }
    } else if (type === FORM && depth < MAX_FORM_DEPTH) {
      const count = Math.min(formCount(object), MAX_OBJECTS);
      for (let i = 0; i < count && visited <= MAX_OBJECTS; i += 1) visit(formObject(object, i), depth + 1);
    } else if (type === PATH && depth === 0 && rules.length < MAX_RULES && angle % 90 === 0) {
      if (segmentsOf(object) > 12) return;
      if (bounds(object, scratch, scratch + 4, scratch + 8, scratch + 12) === 0) return;
      const [l, b, r, t] = [
        engine.f32(scratch),
        engine.f32(scratch + 4),
        engine.f32(scratch + 8),
        engine.f32(scratch + 12),
      ];
      const box = toFrame(l, b, r, t, angle);
      const [w, h] = [box.x1 - box.x0, box.y1 - box.y0];
      if (!Number.isFinite(w + h)) return;
      if (h <= MAX_RULE_THICKNESS && w >= MIN_RULE_LENGTH) rules.push({ ...box, horizontal: true });
      else if (w <= MAX_RULE_THICKNESS && h >= MIN_RULE_LENGTH) rules.push({ ...box, horizontal: false });
      else if (w >= MIN_RULE_LENGTH && h >= MIN_RULE_LENGTH && segmentsOf(object) <= 6) {
        rules.push({ ...box, y1: box.y0, horizontal: true }, { ...box, y0: box.y1, horizontal: true });
        rules.push({ ...box, x1: box.x0, horizontal: false }, { ...box, x0: box.x1, horizontal: false });
      }
    }
  };

  const count = Math.min(engine.fn("FPDFPage_CountObjects")(page), MAX_OBJECTS);
  const objectAt = engine.fn("FPDFPage_GetObject");
  for (let i = 0; i < count && visited <= MAX_OBJECTS; i += 1) visit(objectAt(page, i), 0);
  return { images, imageArea, imagePixels, paths, rules };
}
