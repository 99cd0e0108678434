import type { Box } from "./placeholders.ts";

/** Something on a slide with its place, if that is known. */
export interface Boxed {
  box?: Box;
}

const MAX_CUTS = 16;
/** Comparing each pair is for slides, not for drawings of thousands of shapes. */
const MAX_COMPARED = 500;

/**
 * Puts shapes in the order in which they are read. The order of the file is the author's or the layout's and is
 * kept as long as it never jumps back: up over what stands below, or left along a line. Else the slide is cut
 * into rows and columns along its gaps and read from top to bottom and from left to right.
 */
export function readingOrder<T extends Boxed>(shapes: readonly T[]): T[] {
  if (shapes.length > MAX_COMPARED || !jumpsBack(shapes)) return [...shapes];
  return cut(shapes, 0);
}

function jumpsBack(shapes: readonly Boxed[]): boolean {
  return shapes.some(({ box: a }, index) =>
    shapes.slice(index + 1).some(({ box: b }) => a !== undefined && b !== undefined && isBefore(b, a)),
  );
}

/** `b` is read before `a`: it is above it in the same column, or stands beside it and begins higher or further left. */
function isBefore(b: Box, a: Box): boolean {
  const sharedWidth = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  if (b.bottom <= a.top && sharedWidth > 0) return true;
  const sharedHeight = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  const isBeside = sharedWidth <= 0 && sharedHeight > Math.min(a.bottom - a.top, b.bottom - b.top) / 2;
  if (!isBeside) return false;
  return beginsLevel(a, b) ? b.left < a.left : b.top < a.top;
}

const beginsLevel = (a: Box, b: Box) =>
  Math.abs(a.top - b.top) <= Math.min(a.bottom - a.top, b.bottom - b.top) / 8;

function cut<T extends Boxed>(shapes: readonly T[], depth: number): T[] {
  if (shapes.length < 2) return [...shapes];
  for (const [start, end] of [
    ["top", "bottom"],
    ["left", "right"],
  ] as const) {
    const groups = depth < MAX_CUTS ? alongGaps(shapes, start, end) : [];
    if (groups.length < 2) continue;
    const ordered = start === "left" ? higherFirst(groups) : groups;
    return ordered.flatMap((group) => cut(group, depth + 1));
  }
  return sorted(sorted(shapes, "left"), "top");
}

/** Columns from left to right, but one that begins clearly higher than its neighbours before them. */
function higherFirst<T extends Boxed>(columns: T[][]): T[][] {
  const lines: { box: Box; columns: T[][] }[] = [];
  const boxed = columns.map((column) => ({ column, box: around(column) }));
  for (const { column, box } of boxed.sort((a, b) => a.box.top - b.box.top)) {
    const line = lines.at(-1);
    if (line !== undefined && beginsLevel(line.box, box)) line.columns.push(column);
    else lines.push({ box, columns: [column] });
  }
  return lines.flatMap((line) => line.columns.sort((a, b) => around(a).left - around(b).left));
}

function around(shapes: readonly Boxed[]): Box {
  return {
    left: Math.min(...shapes.map((shape) => at(shape, "left"))),
    top: Math.min(...shapes.map((shape) => at(shape, "top"))),
    right: Math.max(...shapes.map((shape) => at(shape, "right"))),
    bottom: Math.max(...shapes.map((shape) => at(shape, "bottom"))),
  };
}

type Side = "top" | "left" | "bottom" | "right";

const at = (shape: Boxed, side: Side) => shape.box?.[side] ?? Number.MAX_SAFE_INTEGER;

const sorted = <T extends Boxed>(shapes: readonly T[], side: Side) =>
  [...shapes].sort((a, b) => at(a, side) - at(b, side));

function alongGaps<T extends Boxed>(shapes: readonly T[], start: Side, end: Side): T[][] {
  const groups: T[][] = [];
  let reach = Number.NEGATIVE_INFINITY;
  for (const shape of sorted(shapes, start)) {
    // Boxes are drawn larger than their text: a small overlap is a gap.
    const slack = (at(shape, end) - at(shape, start)) * 0.1;
    if (at(shape, start) + slack >= reach) groups.push([]);
    groups.at(-1)?.push(shape);
    reach = Math.max(reach, at(shape, end));
  }
  return groups;
}
