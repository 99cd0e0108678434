/** Edits beyond this share of a word's length make it another word. */
const MAX_SHARE = 0.4;

/** The known word that `typed` was probably meant to be; undefined if none is near. */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  let best: { readonly word: string; readonly edits: number } | undefined;
  for (const word of known) {
    const edits = editsBetween(typed, word);
    if (edits <= word.length * MAX_SHARE && edits < (best?.edits ?? Number.POSITIVE_INFINITY)) {
      best = { word, edits };
    }
  }
  return best?.word;
}

/** Levenshtein distance: characters to insert, remove or replace. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
