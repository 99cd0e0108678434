import type { Style } from "../../inline.ts";
import { child, elements, type XmlElement } from "../../xml.ts";
import { type ListStyle, readListStyle } from "./list-styles.ts";

/** What a style makes of a paragraph or a stretch of text, with all that it inherits. */
export interface OdfStyle {
  role: "title" | "subtitle" | "quote" | "code" | undefined;
  outlineLevel: number | undefined;
  listStyle: string | undefined;
  look: Style;
  breakBefore: boolean;
  /** Tables only: the sheet is not shown. */
  isHidden: boolean;
}

/** The styles of a document; filled while its parts are read. */
export interface OdfStyles {
  /** Takes in one definition, wherever it stands. */
  add(element: XmlElement): void;
  paragraph(name: string | undefined): OdfStyle;
  text(name: string | undefined): Style;
  table(name: string | undefined): OdfStyle;
  list(name: string | undefined): ListStyle | undefined;
  /** How headings are numbered, if they are. */
  outline(): ListStyle | undefined;
}

const MAX_STYLES = 50_000;
/** Styles that inherit from each other in a longer row than this are taken to go round. */
const MAX_ANCESTORS = 32;
const EMPTY: OdfStyle = {
  role: undefined,
  outlineLevel: undefined,
  listStyle: undefined,
  look: {},
  breakBefore: false,
  isHidden: false,
};

export function createStyles(): OdfStyles {
  const definitions = new Map<string, XmlElement>();
  const lists = new Map<string, ListStyle>();
  const resolved = new Map<string, OdfStyle>();
  let outline: ListStyle | undefined;

  const find = (family: string, name: string | undefined): OdfStyle => {
    if (name === undefined) return EMPTY;
    const key = `${family} ${name}`;
    let style = resolved.get(key);
    if (style === undefined) {
      const chain: XmlElement[] = [];
      let ancestor = name;
      for (let at = definitions.get(key); at !== undefined && chain.length < MAX_ANCESTORS; ) {
        chain.push(at);
        ancestor = at.attributes["style:parent-style-name"] ?? "";
        at = definitions.get(`${family} ${ancestor}`);
      }
      // Built-in styles are known by their names without a definition.
      style = chain.reduceRight(inherit, { ...EMPTY, role: roleOf(ancestor) });
      resolved.set(key, style);
    }
    return style;
  };

  return {
    add(element) {
      const name = element.attributes["style:name"] ?? "";
      if (element.name === "style:style" && definitions.size < MAX_STYLES) {
        definitions.set(`${element.attributes["style:family"] ?? ""} ${name}`, element);
      } else if (element.name === "text:list-style" && lists.size < MAX_STYLES) {
        lists.set(name, readListStyle(element));
      } else if (element.name === "text:outline-style") outline = readListStyle(element);
    },
    paragraph: (name) => find("paragraph", name),
    text: (name) => find("text", name).look,
    table: (name) => find("table", name),
    list: (name) => (name === undefined ? undefined : lists.get(name)),
    outline: () => outline,
  };
}

function inherit(parent: OdfStyle, element: XmlElement): OdfStyle {
  const { attributes } = element;
  const name = attributes["style:display-name"] ?? attributes["style:name"] ?? "";
  const level = Number(attributes["style:default-outline-level"]);
  const list = attributes["style:list-style-name"];
  const paragraph = child(element, "style:paragraph-properties")?.attributes;
  return {
    role: roleOf(name) ?? parent.role,
    outlineLevel: Number.isInteger(level) && level > 0 ? level : parent.outlineLevel,
    listStyle: list === undefined ? parent.listStyle : list,
    look: lookOf(child(element, "style:text-properties"), parent.look),
    breakBefore: paragraph?.["fo:break-before"] === "page" || parent.breakBefore,
    isHidden: child(element, "style:table-properties")?.attributes["table:display"] === "false",
  };
}

function roleOf(name: string): OdfStyle["role"] {
  const plain = name.replaceAll("_20_", " ").toLowerCase();
  if (plain === "title") return "title";
  if (plain === "subtitle") return "subtitle";
  if (plain === "quotations" || plain === "quote") return "quote";
  return plain === "preformatted text" || plain === "source text" ? "code" : undefined;
}

function lookOf(properties: XmlElement | undefined, parent: Style): Style {
  if (properties === undefined) return parent;
  const { attributes } = properties;
  const look: { -readonly [K in keyof Style]: Style[K] } = { ...parent };
  const set = (name: "bold" | "italic" | "strike" | "sub" | "sup", on: boolean) => {
    if (on) look[name] = true;
    else delete look[name];
  };
  const weight = attributes["fo:font-weight"];
  if (weight !== undefined) set("bold", weight === "bold" || Number(weight) >= 600);
  const slant = attributes["fo:font-style"];
  if (slant !== undefined) set("italic", slant !== "normal");
  const line = attributes["style:text-line-through-style"] ?? attributes["style:text-line-through-type"];
  if (line !== undefined) set("strike", line !== "none");
  const [place, size] = (attributes["style:text-position"] ?? "").split(/\s+/);
  if (place) {
    const raised = place === "super" || (Number.parseFloat(place) > 0 && size !== "100%");
    const lowered = place === "sub" || (Number.parseFloat(place) < 0 && size !== "100%");
    set("sup", raised);
    set("sub", lowered);
  }
  return look;
}

/** Takes in every style definition of one part. */
export const addStyles = (styles: OdfStyles, root: XmlElement | undefined): void => {
  for (const group of elements(root)) {
    if (/^office:(?:automatic-)?styles$/.test(group.name))
      for (const each of elements(group)) styles.add(each);
  }
};
