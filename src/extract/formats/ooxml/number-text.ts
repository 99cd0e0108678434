/**
 * A stored number as people read it: files hold 17 digits, of which the last two are noise of binary fractions.
 * What is no number stays as it is.
 */
export function numberText(stored: string): string {
  const text = stored.trim();
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) return stored;
  const value = Number(text);
  if (!Number.isFinite(value)) return stored;
  // Long whole numbers are account numbers and the like: every digit counts.
  if (/^\d+$/.test(text)) return text;
  return String(Number(value.toPrecision(15)));
}
