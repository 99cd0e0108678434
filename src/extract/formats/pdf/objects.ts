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

/** Counts the images of a page and collects its rules (thin boxes, and the sides of larger ones), turned by `angle`. */
export function readObjects(engine: Engine, page: number, angle: number): { images: number; rules: Rule[] } {
  const { scratch } = engine;
  const typeOf = engine.fn("FPDFPageObj_GetType");
  const bounds = engine.fn("FPDFPageObj_GetBounds");
  const segmentsOf = engine.fn("FPDFPath_CountSegments");
  const formCount = engine.fn("FPDFFormObj_CountObjects");
  const formObject = engine.fn("FPDFFormObj_GetObject");
  const rules: Rule[] = [];
  let images = 0;
  let visited = 0;

  const visit = (object: number, depth: number): void => {
    visited += 1;
    if (object === 0 || visited > MAX_OBJECTS) return;
    const type = typeOf(object);
    if (type === IMAGE) images += 1;
    else if (type === FORM && depth < MAX_FORM_DEPTH) {
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
  return { images, rules };
}
