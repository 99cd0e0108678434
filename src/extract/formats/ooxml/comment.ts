import { escapeMarkdown } from "../../escape-markdown.ts";
import type { Block } from "../../model.ts";

/** A reader's remark on the document. */
export interface Comment {
  author: string;
  /** As the document writes it; empty if it does not. */
  time: string;
  text: string;
}

/** A comment as a paragraph led by who wrote it, and when. */
export function commentBlock({ author, time, text }: Comment, page?: number): Block {
  const facts = [author && `author: ${author}`, time && `time: ${time}`].filter((fact) => fact !== "");
  const body = text.replace(/\s+/g, " ").trim();
  const line = facts.length === 0 ? `[comment]: ${body}` : `[${facts.join(", ")}]: ${body}`;
  const block: Block = { type: "paragraph", text: line };
  // Left bare, the brackets and the colon would read as the definition of a link.
  const markdown = escapeMarkdown(line);
  if (markdown !== line) block.markdown = markdown;
  return page === undefined ? block : { ...block, page };
}
