import type { TableCell } from "./model.ts";

/**
 * What repeating spanned cells may cost in one rendering. Without it a few bytes of `rowspan` and `colspan`
 * ask for billions of cells.
 */
export interface RepeatBudget {
  cells: number;
  characters: number;
}

/** A budget for one document: 250,000 repeated cells, 8 Mi repeated characters. */
export const repeatBudget = (): RepeatBudget => ({ cells: 250_000, characters: 8 * 1024 * 1024 });

/**
 * Lays cells out as a grid in which a spanned cell stands at every place it covers. Rows may differ in
 * length. Where the budget ends, cells stand only at their first place.
 */
export function tableGrid(
  rows: readonly TableCell[][],
  budget: RepeatBudget = repeatBudget(),
): TableCell[][] {
  const open: ({ cell: TableCell; rows: number } | undefined)[] = [];
  return rows.map((row) => {
    const out: TableCell[] = [];
    const takeOpen = () => {
      for (let held = open[out.length]; held; held = open[out.length]) {
        if (--held.rows === 0) open[out.length] = undefined;
        out.push(spend(budget, held.cell));
      }
    };
    for (const cell of row) {
      takeOpen();
      const columns = Math.max(1, cell.columnSpan ?? 1);
      const down = Math.max(1, cell.rowSpan ?? 1) - 1;
      for (let i = 0; i < columns; i++) {
        if (i > 0 && (budget.cells <= 0 || open[out.length])) break;
        if (down > 0) open[out.length] = { cell, rows: down };
        out.push(i === 0 ? cell : spend(budget, cell));
      }
    }
    while (open.length > 0 && !open.at(-1)) open.pop();
    for (takeOpen(); out.length < open.length && budget.cells > 0; takeOpen())
      out.push(spend(budget, { text: "" }));
    if (budget.cells <= 0) open.length = 0;
    return out;
  });
}

function spend(budget: RepeatBudget, cell: TableCell): TableCell {
  budget.cells -= 1;
  budget.characters -= Math.max(cell.text.length, cell.markdown?.length ?? 0);
  return budget.cells < 0 || budget.characters < 0 ? { text: "" } : cell;
}
