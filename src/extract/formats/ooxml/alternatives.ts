import { child, elements, type XmlElement } from "../../xml.ts";

/** The one branch of an `mc:AlternateContent` to read: what newer programs read, or else the fallback. */
export function alternatives(element: XmlElement): XmlElement[] {
  const choice = child(element, "mc:Choice");
  const isEmpty = choice === undefined || !hasContent(choice);
  const taken = isEmpty ? (child(element, "mc:Fallback") ?? choice) : choice;
  return taken === undefined ? [] : [taken];
}

const CONTENT = new Set([
  "w:txbxContent",
  "pic:pic",
  "c:chart",
  "dgm:relIds",
  "w:t",
  "m:oMath",
  "v:imagedata",
  "a:t",
  "p:pic",
  "a:graphic",
  "p:sp",
  "wps:wsp",
]);

function hasContent(element: XmlElement): boolean {
  for (const each of elements(element)) {
    if (CONTENT.has(each.name) || hasContent(each)) return true;
  }
  return false;
}
