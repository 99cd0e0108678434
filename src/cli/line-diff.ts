/** Lines around a change that are shown with it. */
const CONTEXT = 3;
/** Pairs of lines that are compared; larger texts are shown as replaced. */
const MAX_PAIRS = 4_000_000;

interface Line {
  readonly sign: " " | "-" | "+";
  readonly text: string;
}

/**
 * What changes from one text to another, a line each: `- ` gone, `+ ` new, and around them unchanged ones; `…` stands for those
 * that are left out. Nothing for equal texts.
 */
export function lineDiff(before: string, after: string): string[] {
  const lines = compare(linesOf(before), linesOf(after));
  const near = lines.map((_, at) =>
    lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(({ sign }) => sign !== " "),
  );
  const shown: string[] = [];
  lines.forEach(({ sign, text }, at) => {
    if (near[at]) shown.push(`${sign} ${text}`);
    else if (near[at - 1] || (at === 0 && near.includes(true))) shown.push("  …");
  });
  return shown;
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

/** By their longest common subsequence. */
function compare(before: readonly string[], after: readonly string[]): Line[] {
  const [rows, columns] = [before.length, after.length];
  const gone = (text: string): Line => ({ sign: "-", text });
  const added = (text: string): Line => ({ sign: "+", text });
  if (rows * columns > MAX_PAIRS) return [...before.map(gone), ...after.map(added)];
  const width = columns + 1;
  const common = new Uint32Array((rows + 1) * width);
  const at = (row: number, column: number): number => common[row * width + column] ?? 0;
  for (let row = rows - 1; row >= 0; row--) {
    for (let column = columns - 1; column >= 0; column--) {
      common[row * width + column] =
        before[row] === after[column]
          ? at(row + 1, column + 1) + 1
          : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const lines: Line[] = [];
  let [row, column] = [0, 0];
  while (row < rows || column < columns) {
    const [old = "", fresh = ""] = [before[row], after[column]];
    if (row < rows && column < columns && old === fresh) {
      lines.push({ sign: " ", text: old });
      row++;
      column++;
    } else if (row < rows && (column >= columns || at(row + 1, column) >= at(row, column + 1))) {
      lines.push(gone(old));
      row++;
    } else {
      lines.push(added(fresh));
      column++;
    }
  }
  return lines;
}
