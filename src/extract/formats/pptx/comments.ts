import type { Block } from "../../model.ts";
import { child, elements, textOf, type XmlElement } from "../../xml.ts";
import { type Comment, commentBlock } from "../ooxml/comment.ts";
import { paragraphLine } from "../ooxml/drawing-text.ts";
import type { OfficePackage } from "../ooxml/package.ts";

/** The names behind the ids of comments' authors, of both generations of comments. */
export async function readAuthors(office: OfficePackage, presentation: string): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const { type, target } of (await office.relationships(presentation)).values()) {
    if (type !== "commentAuthors" && type !== "authors") continue;
    for (const { attributes } of elements(await office.tree(target))) {
      names.set(attributes.id ?? "", attributes.name ?? "");
    }
  }
  return names;
}

/** The comments on a slide; replies follow what they answer. */
export async function readComments(
  office: OfficePackage,
  slide: string,
  authors: ReadonlyMap<string, string>,
  page: number,
): Promise<Block[]> {
  const blocks: Block[] = [];
  const add = (comment: Comment) => {
    if (comment.text.trim() !== "") blocks.push(commentBlock(comment, page));
  };
  for (const { type, target } of (await office.relationships(slide)).values()) {
    if (type !== "comments") continue;
    const root = await office.tree(target);
    for (const old of elements(root, "p:cm")) {
      const { authorId = "", dt = "" } = old.attributes;
      add({ author: authors.get(authorId) ?? "", time: dt, text: textOf(child(old, "p:text")) });
    }
    for (const comment of elements(root, "p188:cm")) {
      add(modernComment(comment, authors));
      for (const reply of elements(child(comment, "p188:replyLst"), "p188:reply"))
        add(modernComment(reply, authors));
    }
  }
  return blocks;
}

function modernComment(element: XmlElement, authors: ReadonlyMap<string, string>): Comment {
  const { authorId = "", created = "" } = element.attributes;
  const lines = [...elements(child(element, "p188:txBody"), "a:p")];
  return {
    author: authors.get(authorId) ?? "",
    time: created,
    text: lines.map((line) => paragraphLine(line, new Map()).text).join(" "),
  };
}
