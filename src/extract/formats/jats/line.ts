import type { XmlElement } from "../../xml.ts";

/** The text of an element in one line. */
export const lineOf = (element: XmlElement | undefined): string =>
  spaced(element).replace(/\s+/g, " ").trim();

/** Parts of names, which the source puts side by side without a blank. */
export const OWN_WORDS = new Set([
  "surname",
  "given-names",
  "suffix",
  "prefix",
  "collab",
  "institution",
  "institution-id",
  "country",
  "city",
  "award-id",
]);

/** Text with a blank between parts of names that the source puts side by side. */
function spaced(element: XmlElement | undefined): string {
  if (!element) return "";
  let text = "";
  let afterWord = false;
  for (const node of element.children) {
    if (typeof node === "string") {
      text += node;
      afterWord = false;
      continue;
    }
    const word = OWN_WORDS.has(node.name);
    text += (word && afterWord ? " " : "") + spaced(node);
    afterWord = word;
  }
  return text;
}
