const GREEK_SYMBOL = "αβχδεφγηιϕκλμνοπθρστυϖωξψζ";

/** Signs of Wingdings that stand in for words: ticks, crosses, arrows, bullets. */
const WINGDINGS: Readonly<Record<number, string>> = {
  108: "●",
  110: "■",
  113: "❑",
  117: "◆",
  118: "❖",
  159: "•",
  167: "▪",
  168: "☐",
  216: "➢",
  223: "←",
  224: "→",
  225: "↑",
  226: "↓",
  232: "➔",
  239: "⇦",
  240: "⇨",
  251: "✗",
  252: "✓",
  253: "☒",
  254: "☑",
  74: "☺",
  76: "☹",
  40: "☎",
  42: "✉",
};

const SYMBOL: Readonly<Record<number, string>> = {
  163: "≤",
  179: "≥",
  177: "±",
  180: "×",
  184: "÷",
  185: "≠",
  187: "≈",
  176: "°",
  183: "•",
  165: "∞",
  174: "→",
  172: "←",
  173: "↑",
  175: "↓",
  171: "↔",
  222: "⇒",
  219: "⇔",
  182: "∂",
  229: "∑",
  242: "∫",
  214: "√",
  206: "∈",
  200: "∪",
  199: "∩",
  208: "∠",
  87: "Ω",
  68: "Δ",
  83: "Σ",
  70: "Φ",
  71: "Γ",
  76: "Λ",
  80: "Π",
  81: "Θ",
  89: "Ψ",
  45: "−",
  34: "∀",
  36: "∃",
};

/** A `w:sym` as a character: from the tables of the usual symbol fonts, else as it stands if it means something. */
export function symbolCharacter(font: string, hex: string): string {
  const code = Number.parseInt(hex, 16);
  if (!Number.isInteger(code) || code < 0x20 || code > 0xffff) return "";
  const low = code >= 0xf000 && code <= 0xf0ff ? code - 0xf000 : code;
  if (/wingdings/i.test(font)) return WINGDINGS[low] ?? "";
  if (/^symbol$/i.test(font)) {
    const letter = low >= 0x61 && low <= 0x7a ? [...GREEK_SYMBOL][low - 0x61] : undefined;
    return letter ?? SYMBOL[low] ?? (low < 0x7f ? String.fromCharCode(low) : "");
  }
  if (low !== code) return low < 0x7f ? String.fromCharCode(low) : "";
  return code >= 0xe000 && code <= 0xf8ff ? "" : String.fromCharCode(code);
}
