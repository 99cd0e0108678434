const ROMAN: readonly [value: number, sign: string][] = [
  [1000, "m"],
  [900, "cm"],
  [500, "d"],
  [400, "cd"],
  [100, "c"],
  [90, "xc"],
  [50, "l"],
  [40, "xl"],
  [10, "x"],
  [9, "ix"],
  [5, "v"],
  [4, "iv"],
  [1, "i"],
];

/** Formats of numbers by their codes in Word's binary files and RTF ([MS-OSHARED] MSONFC), by their names in OOXML. */
export const FORMAT_BY_CODE: Readonly<Record<number, string>> = {
  0: "decimal",
  1: "upperRoman",
  2: "lowerRoman",
  3: "upperLetter",
  4: "lowerLetter",
  5: "ordinal",
  22: "decimalZero",
};

/** A number in lower-case Roman digits; above 3999 in Arabic ones. */
export function roman(value: number): string {
  if (value < 1 || value > 3999) return String(value);
  let rest = value;
  let text = "";
  for (const [step, sign] of ROMAN) {
    while (rest >= step) {
      text += sign;
      rest -= step;
    }
  }
  return text;
}

/** a … z, then aa … zz, as word processors count. */
function letters(value: number, alphabet: string): string {
  const signs = [...alphabet];
  if (value < 1 || value > signs.length * 30) return String(value);
  const sign = signs[(value - 1) % signs.length] ?? "";
  return sign.repeat(Math.floor((value - 1) / signs.length) + 1);
}

function ordinal(value: number): string {
  const tens = value % 100;
  const suffix = tens >= 11 && tens <= 13 ? "th" : (["th", "st", "nd", "rd"][value % 10] ?? "th");
  return value + suffix;
}

function chinese(value: number): string {
  const digits = [..."〇一二三四五六七八九"];
  if (value < 1 || value > 99) return String(value);
  const tens = Math.floor(value / 10);
  const ones = value % 10;
  return (tens === 0 ? "" : `${tens === 1 ? "" : digits[tens]}十`) + (ones === 0 ? "" : digits[ones]);
}

const LATIN = "abcdefghijklmnopqrstuvwxyz";
const RUSSIAN = "абвгдежзиклмнопрстуфхцчшщэюя";

/** A list number as the format `w:numFmt` writes it; formats not known here count in Arabic digits. */
export function formatNumber(value: number, format: string): string {
  switch (format) {
    case "lowerRoman":
      return roman(value);
    case "upperRoman":
      return roman(value).toUpperCase();
    case "lowerLetter":
      return letters(value, LATIN);
    case "upperLetter":
      return letters(value, LATIN).toUpperCase();
    case "russianLower":
      return letters(value, RUSSIAN);
    case "russianUpper":
      return letters(value, RUSSIAN).toUpperCase();
    case "decimalZero":
      return String(value).padStart(2, "0");
    case "ordinal":
      return ordinal(value);
    case "decimalEnclosedCircle":
      return value >= 1 && value <= 20 ? String.fromCodePoint(0x2460 + value - 1) : String(value);
    case "decimalFullWidth":
      return String(value).replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)));
    case "chineseCounting":
    case "chineseCountingThousand":
    case "ideographDigital":
    case "japaneseCounting":
    case "taiwaneseCountingThousand":
      return chinese(value);
    case "none":
      return "";
    default:
      return String(value);
  }
}
