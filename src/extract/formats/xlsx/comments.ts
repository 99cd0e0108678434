import type { OutputBudget } from "../../flow.ts";
import type { Block } from "../../model.ts";
import { child, elements, textOf } from "../../xml.ts";
import { type Comment, commentBlock } from "../ooxml/comment.ts";
import { type OfficePackage, partOfType } from "../ooxml/package.ts";
import { cellAt } from "./reference.ts";
import { richText } from "./sheet.ts";

interface CellComment extends Comment {
  cell: string;
}

/** The names behind the ids of threaded comments. */
export async function readPersons(office: OfficePackage, workbook: string): Promise<Map<string, string>> {
  const part = partOfType(await office.relationships(workbook), "person");
  const names = new Map<string, string>();
  if (part === undefined) return names;
  for (const { attributes } of elements(await office.tree(part), "tc:person")) {
    names.set(attributes.id ?? "", attributes.displayName ?? "");
  }
  return names;
}

/** The notes and threads on a sheet's cells, by row and column; replies follow what they answer. */
export async function readComments(
  office: OfficePackage,
  sheet: string,
  persons: ReadonlyMap<string, string>,
  budget: OutputBudget,
  page: number,
): Promise<Block[]> {
  const relationships = await office.relationships(sheet);
  const comments: CellComment[] = [];
  const threads = partOfType(relationships, "threadedComment");
  if (threads !== undefined) {
    await office.stream(threads, {
      visit: (name) => (name === "tc:threadedComment" ? "tree" : "enter"),
      tree(element) {
        const { ref = "", personId = "", dT = "" } = element.attributes;
        const text = textOf(child(element, "tc:text"));
        comments.push({ cell: ref, author: persons.get(personId) ?? "", time: fullTime(dT), text });
      },
    });
  }
  const notes = partOfType(relationships, "comments");
  if (notes !== undefined) {
    const authors: string[] = [];
    await office.stream(notes, {
      visit: (name) => (name === "s:author" || name === "s:comment" ? "tree" : "enter"),
      tree(element) {
        if (element.name === "s:author") {
          authors.push(textOf(element).trim());
          return;
        }
        const author = authors[Number(element.attributes.authorId)] ?? "";
        // A thread's stand-in for older programs.
        if (threads !== undefined && author.startsWith("tc=")) return;
        const text = richText(child(element, "s:text"));
        comments.push({
          cell: element.attributes.ref ?? "",
          author,
          time: "",
          text: withoutName(text, author),
        });
      },
    });
  }
  const place = ({ cell }: CellComment) => {
    const at = cellAt(cell);
    return at === undefined ? Number.MAX_SAFE_INTEGER : at.row * 20_000 + at.column;
  };
  return comments
    .filter(({ text }) => text.trim() !== "")
    .sort((a, b) => place(a) - place(b))
    .map((comment) => {
      budget.spend(comment.text.length);
      return commentBlock(comment, page);
    });
}

/** Notes begin with their author's name in a line of its own. */
function withoutName(text: string, author: string): string {
  const lead = `${author}:`;
  return author !== "" && text.startsWith(lead) ? text.slice(lead.length) : text;
}

/** Fractions of a second come with as many digits as the writer had. */
function fullTime(time: string): string {
  return time.replace(/\.(\d+)/, (_, digits: string) => `.${digits.slice(0, 3).padEnd(3, "0")}`);
}
