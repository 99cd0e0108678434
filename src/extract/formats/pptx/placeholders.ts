import { child, elements, type XmlElement } from "../../xml.ts";
import { type OfficePackage, partOfType } from "../ooxml/package.ts";

/** Where a shape is, in its container's units. */
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** How paragraphs of one level begin: with nothing, a sign, or a number of this scheme. */
export type Bullet = { kind: "none" } | { kind: "sign" } | { kind: "number"; scheme: string; start: number };

export type Bullets = ReadonlyMap<number, Bullet>;

/** What a placeholder on a slide takes over from its layout and master. */
export interface Inherited {
  box?: Box;
  /** From the nearest to the farthest. */
  bullets: Bullets[];
}

export interface Placeholders {
  of(placeholder: XmlElement | undefined): Inherited;
}

interface Sheet {
  byIndex: Map<string, Placeholder>;
  byType: Map<string, Placeholder>;
}

interface Placeholder {
  type: string;
  box?: Box;
  bullets: Bullets;
}

const NOTHING: Inherited = { bullets: [] };

/** Reads layouts and masters of slides, each once. */
export function createPlaceholderReader(office: OfficePackage): (slide: string) => Promise<Placeholders> {
  const layouts = new Map<string, Placeholders>();
  return async (slide) => {
    const layout = partOfType(await office.relationships(slide), "slideLayout");
    if (layout === undefined) return { of: () => NOTHING };
    const known = layouts.get(layout) ?? (await readLayout(office, layout));
    layouts.set(layout, known);
    return known;
  };
}

async function readLayout(office: OfficePackage, layout: string): Promise<Placeholders> {
  const layoutSheet = sheetOf(child(await office.tree(layout), "p:cSld", "p:spTree"));
  const master = partOfType(await office.relationships(layout), "slideMaster");
  const masterRoot = master === undefined ? undefined : await office.tree(master);
  const masterSheet = sheetOf(child(masterRoot, "p:cSld", "p:spTree"));
  const bodyStyle = bulletsOf(child(masterRoot, "p:txStyles", "p:bodyStyle"));
  const otherStyle = bulletsOf(child(masterRoot, "p:txStyles", "p:otherStyle"));

  return {
    of(placeholder) {
      if (placeholder === undefined) return { bullets: [otherStyle] };
      const { idx = "", type = "obj" } = placeholder.attributes;
      const near = layoutSheet.byIndex.get(idx) ?? layoutSheet.byType.get(type);
      const far = masterSheet.byType.get(masterType(near?.type ?? type));
      const inherited: Inherited = { bullets: [] };
      const box = near?.box ?? far?.box;
      if (box !== undefined) inherited.box = box;
      if (near !== undefined) inherited.bullets.push(near.bullets);
      if (far !== undefined) inherited.bullets.push(far.bullets);
      inherited.bullets.push(masterType(type) === "body" ? bodyStyle : otherStyle);
      return inherited;
    },
  };
}

/** Masters have one placeholder for all kinds of content. */
function masterType(type: string): string {
  if (type === "ctrTitle") return "title";
  return /^(?:obj|subTitle|tbl|chart|dgm|media|clipArt|pic|body)$/.test(type) ? "body" : type;
}

function sheetOf(tree: XmlElement | undefined): Sheet {
  const sheet: Sheet = { byIndex: new Map(), byType: new Map() };
  for (const shape of elements(tree, "p:sp")) {
    const placeholder = child(shape, "p:nvSpPr", "p:nvPr", "p:ph");
    if (placeholder === undefined) continue;
    const { idx, type = "obj" } = placeholder.attributes;
    const box = boxOf(child(shape, "p:spPr", "a:xfrm"));
    const bullets = bulletsOf(child(shape, "p:txBody", "a:lstStyle"));
    const found: Placeholder = { type, bullets, ...(box === undefined ? {} : { box }) };
    if (idx !== undefined) sheet.byIndex.set(idx, found);
    if (!sheet.byType.has(type)) sheet.byType.set(type, found);
  }
  return sheet;
}

/** The place an `xfrm` gives, if it gives one. */
export function boxOf(transform: XmlElement | undefined): Box | undefined {
  const offset = child(transform, "a:off")?.attributes;
  const extent = child(transform, "a:ext")?.attributes;
  const [left, top, width, height] = [offset?.x, offset?.y, extent?.cx, extent?.cy].map(Number);
  if (left === undefined || top === undefined || width === undefined || height === undefined)
    return undefined;
  if (![left, top, width, height].every(Number.isFinite)) return undefined;
  return { left, top, right: left + width, bottom: top + height };
}

/** The bullets of a list style, by level from 0. */
export function bulletsOf(style: XmlElement | undefined): Bullets {
  const bullets = new Map<number, Bullet>();
  for (const level of elements(style)) {
    const number = /^a:lvl([1-9])pPr$/.exec(level.name)?.[1];
    const bullet = bulletOf(level);
    if (number !== undefined && bullet !== undefined) bullets.set(Number(number) - 1, bullet);
  }
  return bullets;
}

/** The bullet that paragraph properties ask for, if they do. */
export function bulletOf(properties: XmlElement | undefined): Bullet | undefined {
  for (const { name, attributes } of elements(properties)) {
    if (name === "a:buNone") return { kind: "none" };
    if (name === "a:buChar" || name === "a:buBlip") return { kind: "sign" };
    if (name === "a:buAutoNum") {
      const start = Number(attributes.startAt ?? 1);
      return {
        kind: "number",
        scheme: attributes.type ?? "arabicPeriod",
        start: Number.isInteger(start) ? start : 1,
      };
    }
  }
  return undefined;
}
