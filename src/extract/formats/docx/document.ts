import type { ExtractInput } from "../../extractor.ts";
import { outputBudget } from "../../flow.ts";
import type { Block } from "../../model.ts";
import { elements, type XmlElement } from "../../xml.ts";
import { append } from "../ooxml/append.ts";
import { readChart } from "../ooxml/chart.ts";
import { readDiagram } from "../ooxml/diagram.ts";
import { roman } from "../ooxml/list-number.ts";
import { type OfficePackage, partOfType } from "../ooxml/package.ts";
import type { DocxContext, StoryItem } from "./context.ts";
import { readComments, readNotes } from "./notes.ts";
import { createNumbering } from "./numbering.ts";
import { BLOCK_WRAPPERS, createStory, readBlocks } from "./story.ts";
import { readStyles } from "./styles.ts";
import type { TableBuilder } from "./table.ts";

const ENTERED = new Set(["w:document", "w:body", "mc:AlternateContent", "mc:Choice", ...BLOCK_WRAPPERS]);
const TREES = new Set(["w:p", "w:tr", "w:sectPr", "m:oMathPara", "m:oMath"]);

/** Reads the parts of a Word document into blocks; notes and comments come after the text. */
export async function readDocx(
  office: OfficePackage,
  input: ExtractInput,
): Promise<{ blocks: Block[]; links: string[]; skipped: string[] }> {
  const main = await office.mainPart("word/document.xml");
  const relationships = await office.relationships(main);
  const optional = async (type: string) => {
    const part = partOfType(relationships, type);
    return part === undefined ? undefined : await office.tree(part);
  };
  const context: DocxContext = {
    styles: readStyles(await optional("styles")),
    numbering: createNumbering(await optional("numbering")),
    relationships,
    includeTables: input.options.includeTables,
    budget: outputBudget(input.limits.maxOutputCharacters),
    notes: { footnotes: [], endnotes: [], comments: [] },
    links: new Set(),
    skipped: new Set(),
  };

  const margins = new Map<string, "header" | "footer">();
  const body = await readBody(office, main, context, input, (section) => {
    for (const { name, attributes } of elements(section)) {
      const part = relationships.get(attributes["r:id"] ?? "")?.target;
      if (part === undefined) continue;
      if (name === "w:headerReference") margins.set(part, "header");
      else if (name === "w:footerReference") margins.set(part, "footer");
    }
  });

  const around: Record<"header" | "footer", Block[]> = { header: [], footer: [] };
  if (input.options.includeHeadersFooters) {
    for (const [part, kind] of margins) {
      const root = await office.tree(part);
      if (root === undefined) continue;
      const own = { ...context, relationships: await office.relationships(part) };
      append(around[kind], await resolveParts(office, readBlocks(root, own)));
    }
  }

  const { footnotes, endnotes, comments } = context.notes;
  const part = (type: string) => partOfType(relationships, type);
  const blocks = [
    ...around.header,
    ...(await resolveParts(office, body)),
    ...around.footer,
    ...(await readNotes(office, part("footnotes"), "footnote", footnotes, String, context)),
    ...(await readNotes(office, part("endnotes"), "endnote", endnotes, roman, context)),
    ...(await readComments(office, part("comments"), comments, context)),
  ];
  return { blocks, links: [...context.links], skipped: [...context.skipped] };
}

async function readBody(
  office: OfficePackage,
  main: string,
  context: DocxContext,
  input: ExtractInput,
  onSection: (section: XmlElement) => void,
): Promise<StoryItem[]> {
  const story = createStory(context);
  let table: TableBuilder | undefined;
  let pieces = 0;
  await office.stream(main, {
    visit(name) {
      if (name === "w:tbl" && table === undefined) {
        table = story.table();
        return "enter";
      }
      if (name === "w:altChunk") context.skipped.add("an embedded document (altChunk)");
      if (TREES.has(name)) return "tree";
      return ENTERED.has(name) ? "enter" : "skip";
    },
    tree(element) {
      pieces += 1;
      if (pieces % 256 === 0) input.progress(pieces, 0);
      if (element.name === "w:tr") table?.row(element);
      else if (element.name === "w:p") {
        story.paragraph(element);
        for (const properties of elements(element, "w:pPr")) {
          for (const section of elements(properties, "w:sectPr")) onSection(section);
        }
      } else if (element.name === "w:sectPr") onSection(element);
      else story.formula(element);
    },
    leave(name) {
      if (name !== "w:tbl" || table === undefined) return;
      story.add(table.finish());
      table = undefined;
    },
  });
  return story.finish();
}

async function resolveParts(office: OfficePackage, items: readonly StoryItem[]): Promise<Block[]> {
  const blocks: Block[] = [];
  for (const item of items) {
    if (item.type !== "part") blocks.push(item);
    else if (item.kind === "chart") append(blocks, await readChart(office, item.part, item.page));
    else append(blocks, await readDiagram(office, item.part, item.page));
  }
  return blocks;
}
