import type { Block } from "../../model.ts";
import { child, descendants, elements, textOf, type XmlElement } from "../../xml.ts";
import { commentBlock } from "../ooxml/comment.ts";
import { flattenBlocks } from "../ooxml/flatten.ts";
import type { OfficePackage } from "../ooxml/package.ts";
import type { DocxContext } from "./context.ts";
import { readBlocks } from "./story.ts";

/** The notes that the text refers to, in that order, each led by its label. */
export async function readNotes(
  office: OfficePackage,
  part: string | undefined,
  kind: "footnote" | "endnote",
  ids: readonly string[],
  label: (number: number) => string,
  context: DocxContext,
): Promise<Block[]> {
  if (part === undefined || ids.length === 0) return [];
  const wanted = new Map(ids.map((id, index) => [id, index]));
  const own = { ...context, relationships: await office.relationships(part) };
  const blocks: (Block | undefined)[] = [];
  await office.stream(part, {
    visit: (name) => (name === `w:${kind}` ? "tree" : "enter"),
    tree(note) {
      const index = wanted.get(note.attributes["w:id"] ?? "");
      if (index === undefined) return;
      const content = readBlocks(note, own).filter((item): item is Block => item.type !== "part");
      const { text, markdown } = flattenBlocks(content);
      const mark = label(index + 1);
      if (text === "") return;
      blocks[index] = {
        type: "paragraph",
        text: `[${mark}] ${text}`,
        markdown: `[^${mark}]: ${(markdown ?? text).replace(/\n/g, " ")}`,
      };
    },
  });
  return blocks.filter((block) => block !== undefined);
}

/** The comments, in the order in which the text refers to them, then the others. */
export async function readComments(
  office: OfficePackage,
  part: string | undefined,
  ids: readonly string[],
  context: DocxContext,
): Promise<Block[]> {
  if (part === undefined) return [];
  const comments = new Map<string, Block>();
  await office.stream(part, {
    visit: (name) => (name === "w:comment" ? "tree" : "enter"),
    tree(comment) {
      const text = [...descendants(comment, "w:p")].map(paragraphText).join(" ").trim();
      if (text === "") return;
      context.budget.spend(text.length);
      const { "w:id": id = "", "w:author": author = "", "w:date": time = "" } = comment.attributes;
      comments.set(id, commentBlock({ author, time, text }));
    },
  });
  const ordered = ids.flatMap((id) => {
    const comment = comments.get(id);
    comments.delete(id);
    return comment === undefined ? [] : [comment];
  });
  return [...ordered, ...comments.values()];
}

function paragraphText(paragraph: XmlElement): string {
  let text = "";
  for (const run of descendants(paragraph, "w:r")) {
    for (const element of elements(run)) {
      if (element.name === "w:t") text += textOf(element);
      else if (element.name === "w:br" || element.name === "w:tab") text += " ";
    }
  }
  return child(paragraph, "w:pPr", "w:rPr", "w:del") ? text : text.trim();
}
