import { child, elements, textOf, type XmlElement } from "../../xml.ts";
import { ACCENTS, FUNCTIONS, symbolLatex } from "./math-symbols.ts";

/** An Office formula (`m:oMath` or a part of one) as LaTeX, without dollar signs. */
export function formulaLatex(formula: XmlElement): string {
  return inner(formula).replace(/\s+/g, " ").trim();
}

/** Joins pieces so that a command does not swallow the letter after it. */
function join(pieces: Iterable<string>): string {
  let latex = "";
  for (const piece of pieces) {
    latex += /\\[a-zA-Z]+$/.test(latex) && /^[a-zA-Z]/.test(piece) ? ` ${piece}` : piece;
  }
  return latex;
}

function inner(parent: XmlElement | undefined): string {
  return join([...elements(parent)].map(piece));
}

const group = (parent: XmlElement | undefined) => `{${inner(parent).trim()}}`;

/** The base of a script: in braces unless it is one letter, number, command or bracketed whole. */
function base(parent: XmlElement | undefined): string {
  const latex = inner(parent).trim();
  return /^(?:[^\\{}^_]|\\[a-zA-Z]+|\d+|\\left.*\\right\S+)$/u.test(latex) ? latex : `{${latex}}`;
}

function property(element: XmlElement, properties: string, name: string): string | undefined {
  const found = child(element, properties, name);
  return found === undefined ? undefined : (found.attributes["m:val"] ?? "");
}

const isOn = (value: string | undefined) => value !== undefined && !/^(?:0|false|off)$/.test(value);

function piece(element: XmlElement): string {
  const e = () => child(element, "m:e");
  switch (element.name) {
    case "m:r":
      return run(element);
    case "m:f":
      return fraction(element);
    case "m:sSup":
      return `${base(e())}^${group(child(element, "m:sup"))}`;
    case "m:sSub":
      return `${base(e())}_${group(child(element, "m:sub"))}`;
    case "m:sSubSup":
      return `${base(e())}_${group(child(element, "m:sub"))}^${group(child(element, "m:sup"))}`;
    case "m:sPre":
      return `{}_${group(child(element, "m:sub"))}^${group(child(element, "m:sup"))}${base(e())}`;
    case "m:rad": {
      const degree = inner(child(element, "m:deg")).trim();
      const hidden = isOn(property(element, "m:radPr", "m:degHide")) || degree === "";
      return hidden ? `\\sqrt${group(e())}` : `\\sqrt[${degree}]${group(e())}`;
    }
    case "m:nary":
      return nary(element);
    case "m:d":
      return delimited(element);
    case "m:func": {
      const name = inner(child(element, "m:fName")).trim();
      return `${join([name, inner(e()).replace(/^(?=[^{\\(])/, " ")])}`;
    }
    case "m:limLow":
      return limit(element, "_", "\\underset");
    case "m:limUpp":
      return limit(element, "^", "\\overset");
    case "m:acc":
      return `\\${ACCENTS[property(element, "m:accPr", "m:chr") ?? "\u0302"] ?? "hat"}${group(e())}`;
    case "m:bar":
      return `${property(element, "m:barPr", "m:pos") === "top" ? "\\overline" : "\\underline"}${group(e())}`;
    case "m:groupChr":
      return groupCharacter(element);
    case "m:borderBox":
      return `\\boxed${group(e())}`;
    case "m:m":
      return `\\begin{matrix}${table(element, "m:mr")}\\end{matrix}`;
    case "m:eqArr":
      return `\\begin{array}{l}${[...elements(element, "m:e")].map(inner).join(" \\\\ ")}\\end{array}`;
    case "m:t":
      return characters(textOf(element));
    case "w:del":
    case "m:ctrlPr":
      return "";
    default:
      return element.name.endsWith("Pr") ? "" : inner(element);
  }
}

function run(element: XmlElement): string {
  let text = "";
  for (const part of elements(element)) {
    if (part.name === "m:t" || part.name === "w:t") text += textOf(part);
  }
  if (child(element, "m:rPr", "m:nor") !== undefined && /[\p{L}]{2}/u.test(text)) {
    return `\\text{${text.replace(/[\\{}$]/g, "\\$&")}}`;
  }
  return characters(text);
}

function characters(text: string): string {
  // Mathematical letters stand in their own block; only their plain form is read everywhere.
  const plain = text.replace(/[\u{1d400}-\u{1d7ff}]/gu, (character) => character.normalize("NFKC"));
  const name = plain.trim();
  if (FUNCTIONS.has(name)) return `\\${name}`;
  return join(Array.from(plain, symbolLatex));
}

function fraction(element: XmlElement): string {
  const numerator = group(child(element, "m:num"));
  const denominator = group(child(element, "m:den"));
  switch (property(element, "m:fPr", "m:type")) {
    case "lin":
    case "skw":
      return `${numerator}/${denominator}`;
    case "noBar":
      return `\\genfrac{}{}{0pt}{}${numerator}${denominator}`;
    default:
      return `\\frac${numerator}${denominator}`;
  }
}

function nary(element: XmlElement): string {
  const sign = symbolLatex(property(element, "m:naryPr", "m:chr") || "∫");
  const below = inner(child(element, "m:sub")).trim();
  const above = inner(child(element, "m:sup")).trim();
  const limits = `${below === "" ? "" : `_{${below}}`}${above === "" ? "" : `^{${above}}`}`;
  return join([sign + limits, inner(child(element, "m:e"))]);
}

function delimited(element: XmlElement): string {
  const bracket = (name: string, fallback: string) => {
    const sign = property(element, "m:dPr", name) ?? fallback;
    return sign === "" ? "." : symbolLatex(sign);
  };
  const separator = property(element, "m:dPr", "m:sepChr") ?? "|";
  const parts = [...elements(element, "m:e")].map(inner).join(separator === "" ? "" : symbolLatex(separator));
  return `${join(["\\left", bracket("m:begChr", "("), parts, "\\right"])}${bracket("m:endChr", ")")}`;
}

function limit(element: XmlElement, script: string, fallback: string): string {
  const of = inner(child(element, "m:e")).trim();
  const at = group(child(element, "m:lim"));
  return /^\\(?:lim|max|min|sup|inf|limsup|liminf|sum|prod)$/.test(of)
    ? `${of}${script}${at}`
    : `${fallback}${at}{${of}}`;
}

function groupCharacter(element: XmlElement): string {
  const sign = property(element, "m:groupChrPr", "m:chr") ?? "⏟";
  const top = property(element, "m:groupChrPr", "m:pos") === "top";
  const content = group(child(element, "m:e"));
  if (sign === "⏟") return `\\underbrace${content}`;
  if (sign === "⏞") return `\\overbrace${content}`;
  return `${top ? "\\overset" : "\\underset"}{${symbolLatex(sign)}}${content}`;
}

function table(element: XmlElement, row: string): string {
  return [...elements(element, row)]
    .map((line) => [...elements(line, "m:e")].map(inner).join(" & "))
    .join(" \\\\ ");
}
