import type { ExtractInput } from "../../extractor.ts";
import type { Block } from "../../model.ts";
import { elements } from "../../xml.ts";
import type { OdfContext } from "./context.ts";
import type { OdfPackage } from "./package.ts";
import { createStory, readStory } from "./story.ts";
import { createTable, type TableBuilder } from "./table.ts";

const ENTERED =
  /^office:(?:document-content|body|text|automatic-styles|font-face-decls)$|^text:(?:section|table-of-content|illustration-index|table-index|object-index|user-index|alphabetical-index|bibliography|index-body|index-title)$/;
const TABLE_PARTS = /^table:table-(?:rows|row-group|header-rows)$/;

/** Reads a text document in trees of one paragraph, list or table row. */
export async function readText(
  office: OdfPackage,
  context: OdfContext,
  input: ExtractInput,
): Promise<Block[]> {
  const story = createStory(context);
  let table: TableBuilder | undefined;
  let headers = 0;
  let pieces = 0;
  await office.stream("content.xml", {
    visit(name) {
      if (table !== undefined) {
        if (TABLE_PARTS.test(name)) {
          if (name === "table:table-header-rows") headers += 1;
          return "enter";
        }
        return name === "table:table-row" ? "tree" : "skip";
      }
      if (name === "table:table") {
        table = createTable(context, (cell) => readStory(elements(cell), context));
        return "enter";
      }
      if (ENTERED.test(name)) return "enter";
      return /^(?:text:(?:p|h|list|numbered-paragraph|list-style)|style:style|draw:.*)$/.test(name)
        ? "tree"
        : "skip";
    },
    tree(element) {
      pieces += 1;
      if (pieces % 256 === 0) input.progress(pieces, 0);
      if (element.name === "style:style" || element.name === "text:list-style") context.styles.add(element);
      else if (table !== undefined) table.row(element, headers > 0);
      else story.element(element);
    },
    leave(name) {
      if (name === "table:table-header-rows") headers -= 1;
      if (name !== "table:table" || table === undefined) return;
      story.add(table.finish());
      table = undefined;
    },
  });
  return story.finish();
}
