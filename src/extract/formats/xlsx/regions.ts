import type { Area } from "./reference.ts";

/** Deeper cuts are not made: a region is then what is left. */
const MAX_CUTS = 24;

/**
 * Cuts the used part of a sheet where whole rows or whole columns between its cells are empty, again and
 * again, until no cut is left: each region is one table (or a lone cell). Regions come row by row, then from
 * left to right; the cells of each keep their order.
 * @param cells by row, then by column
 */
export function cutRegions<T extends Area>(cells: readonly T[]): T[][] {
  const regions: T[][] = [];
  const cut = (part: readonly T[], depth: number, uncut: number): void => {
    if (part.length === 0) return;
    if (part.length === 1 || depth > MAX_CUTS || uncut === 2) {
      regions.push([...part]);
      return;
    }
    const groups = depth % 2 === 0 ? cutRows(part) : cutColumns(part);
    const isWhole = groups.length === 1;
    for (const group of groups) cut(group, depth + 1, isWhole ? uncut + 1 : 0);
  };
  cut(cells, 0, 0);
  return regions;
}

function cutRows<T extends Area>(cells: readonly T[]): T[][] {
  const groups: T[][] = [];
  let group: T[] = [];
  let end = -1;
  for (const cell of cells) {
    if (group.length > 0 && cell.top > end + 1) {
      groups.push(group);
      group = [];
    }
    group.push(cell);
    end = Math.max(end, cell.bottom);
  }
  groups.push(group);
  return groups;
}

function cutColumns<T extends Area>(cells: readonly T[]): T[][] {
  // For each column, how far to the right the cells that begin there reach.
  const reach: number[] = [];
  for (const cell of cells) reach[cell.left] = Math.max(reach[cell.left] ?? -1, cell.right);
  const groupOfColumn: number[] = [];
  let count = 0;
  let end = -2;
  reach.forEach((right, left) => {
    if (left > end + 1) count += 1;
    groupOfColumn[left] = count - 1;
    end = Math.max(end, right);
  });
  const groups: T[][] = Array.from({ length: count }, () => []);
  for (const cell of cells) groups[groupOfColumn[cell.left] ?? 0]?.push(cell);
  return groups;
}
