// biome-ignore-all lint/suspicious/noControlCharactersInRegex: terminal sequences are the subject
/**
 * What a terminal shows after these bytes: as much of it as the progress display uses. Fails on any other sequence,
 * so that nothing of a document can have come through.
 */
export function screenOf(output: string, columns: number): { lines: string[]; widest: number } {
  const lines: string[] = [""];
  let row = 0;
  let column = 0;
  let widest = 0;
  for (const [token] of output.matchAll(/\u001b\[\??[\d;]*[A-Za-z]|[\s\S]/gu)) {
    const up = /^\u001b\[(\d+)A$/.exec(token);
    if (up) row = Math.max(0, row - Number(up[1]));
    else if (token === "\u001b[K") lines[row] = (lines[row] ?? "").slice(0, column);
    else if (token === "\u001b[J") {
      lines.length = row + 1;
      lines[row] = (lines[row] ?? "").slice(0, column);
    } else if (token === "\u001b[?25l" || token === "\u001b[?25h") continue;
    else if (token === "\r") column = 0;
    else if (token === "\n") {
      row++;
      lines[row] ??= "";
    } else if (token < " ") throw new Error(`unexpected control ${JSON.stringify(token)}`);
    else {
      if (column >= columns) {
        row++;
        column = 0;
      }
      const line = (lines[row] ?? "").padEnd(column);
      lines[row] = line.slice(0, column) + token + line.slice(column + 1);
      column++;
      widest = Math.max(widest, column);
    }
  }
  return { lines: lines.map((line) => line.trimEnd()), widest };
}
