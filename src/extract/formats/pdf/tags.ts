import type { Engine } from "./engine.ts";

/** Structure type by marked-content id, of the elements that say more than "paragraph". */
export type Tags = ReadonlyMap<number, string>;

export const NO_TAGS: Tags = new Map();
const MAX_ELEMENTS = 50_000;
const MAX_DEPTH = 60;
const TELLING = /^(?:H[1-6]?|Title|LI|Lbl|LBody|TH|TD|Caption|Code|BlockQuote|Note)$/u;

/** Reads which marked contents of the page are headings, list items, cells and the like, from a tagged document. */
export function readTags(engine: Engine, page: number): Tags {
  const tree = engine.fn("FPDF_StructTree_GetForPage")(page);
  if (tree === 0) return NO_TAGS;
  const tags = new Map<number, string>();
  const childCount = engine.fn("FPDF_StructElement_CountChildren");
  const childAt = engine.fn("FPDF_StructElement_GetChildAtIndex");
  const contentAt = engine.fn("FPDF_StructElement_GetChildMarkedContentID");
  let visited = 0;
  const visit = (element: number, inherited: string | undefined, depth: number): void => {
    visited += 1;
    if (visited > MAX_ELEMENTS || depth > MAX_DEPTH) return;
    const type = engine.utf16((at, size) => engine.fn("FPDF_StructElement_GetType")(element, at, size));
    const tag = TELLING.test(type) ? type : inherited;
    const count = Math.min(childCount(element), MAX_ELEMENTS);
    for (let i = 0; i < count; i += 1) {
      const child = childAt(element, i);
      if (child !== 0) visit(child, tag, depth + 1);
      else if (tag !== undefined) {
        const id = contentAt(element, i);
        if (id >= 0) tags.set(id, tag);
      }
    }
  };
  try {
    const roots = Math.min(engine.fn("FPDF_StructTree_CountChildren")(tree), MAX_ELEMENTS);
    for (let i = 0; i < roots; i += 1) {
      const child = engine.fn("FPDF_StructTree_GetChildAtIndex")(tree, i);
      if (child !== 0) visit(child, undefined, 0);
    }
  } finally {
    engine.fn("FPDF_StructTree_Close")(tree);
  }
  return tags;
}
