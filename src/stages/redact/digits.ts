import { UNSEEN } from "./match.ts";

/** Digits that follow one another, in any script. */
export interface DigitGroup {
  readonly start: number;
  readonly end: number;
  /** As 0 to 9; empty for more than 40 digits, which belong to nothing that is looked for. */
  readonly digits: string;
}

const MAX_DIGITS = 40;
const GROUP = new RegExp(`\\p{Nd}(?:[${UNSEEN}]{0,2}\\p{Nd})*`, "gu");
const DIGIT = /\p{Nd}/u;

/** Every group of digits in the text, in order. */
export function digitGroups(text: string): DigitGroup[] {
  const groups: DigitGroup[] = [];
  for (const { 0: found, index: start } of text.matchAll(GROUP)) {
    const plain = found.length > 4 * MAX_DIGITS ? "" : plainDigits(found);
    groups.push({ start, end: start + found.length, digits: plain.length > MAX_DIGITS ? "" : plain });
  }
  return groups;
}

function plainDigits(text: string): string {
  if (/^[0-9]+$/.test(text)) return text;
  let digits = "";
  for (const sign of text) if (DIGIT.test(sign)) digits += digitOf(sign);
  return digits;
}

/** Unicode keeps the digits of a script together; their rows begin at a code point that ends in 0 or in 6. */
function digitOf(sign: string): number {
  const code = sign.codePointAt(0) ?? 0;
  const nibble = code & 15;
  return DIGIT.test(String.fromCodePoint(code - nibble)) ? nibble : nibble - 6;
}
