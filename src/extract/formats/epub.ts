import { decodeText } from "../encoding.ts";
import { DocumentFault } from "../errors.ts";
import type { ExtractInput, Extractor } from "../extractor.ts";
import { outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Block, ExtractedDocument, Warning } from "../model.ts";
import { openZip, type ZipArchive } from "../zip.ts";
import { readBook } from "./epub/package.ts";
import { bookProperties } from "./epub/properties.ts";
import { htmlDocument } from "./html.ts";
import { append } from "./ooxml/append.ts";

const MAX_CHAPTER_BYTES = 64 * 1024 * 1024;
const MAX_LINKS = 10_000;

/** E-books: the chapters in reading order; one without a heading gets its title of the navigation. */
export const extractor: Extractor = {
  name: "epub",
  mediaTypes: [MEDIA.epub],
  async extract(input) {
    const archive = await openZip(input.path, input.limits, input.signal);
    try {
      return await readChapters(archive, input);
    } finally {
      archive.close();
    }
  },
};

async function readChapters(archive: ZipArchive, input: ExtractInput): Promise<ExtractedDocument> {
  const { metadata, spine } = await readBook(archive, input);
  const budget = outputBudget(input.limits.maxOutputCharacters);
  const blocks: Block[] = [];
  const warnings: Warning[] = [];
  const links = new Set<string>();
  let missing = 0;
  for (const [index, { path, title, level }] of spine.entries()) {
    input.progress(index, spine.length, `part ${index + 1} of ${spine.length}`);
    const member = archive.find(path);
    if (member === undefined) {
      missing += 1;
      continue;
    }
    const { text } = decodeText(await archive.readAll(member, MAX_CHAPTER_BYTES));
    const chapter = htmlDocument(
      asHtml(text),
      { ...input, options: { ...input.options, mainContentOnly: false } },
      budget,
    );
    if (
      title !== undefined &&
      chapter.blocks.length > 0 &&
      !chapter.blocks.some(({ type }) => type === "heading")
    ) {
      blocks.push({ type: "heading", level: Math.min(6, level), text: title });
    }
    append(blocks, chapter.blocks);
    for (const link of chapter.properties.links ?? []) if (links.size < MAX_LINKS) links.add(link);
  }
  if (spine.length === missing) {
    throw new DocumentFault("DOCUMENT_CORRUPT", "The e-book names no part that is in it; it may be cut off.");
  }
  if (missing > 0) {
    const message = `${missing} of ${spine.length} parts that the e-book names are not in it.`;
    warnings.push({ code: "PART_MISSING", message });
  }
  const properties = bookProperties(metadata);
  if (links.size > 0) properties.links = [...links];
  return { blocks, properties, warnings };
}

const VOID = /^(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)$/i;

/** Chapters are XHTML, where `<title/>` is complete; for a reader of HTML it would swallow what follows. */
function asHtml(xhtml: string): string {
  return xhtml.replace(
    /<([a-zA-Z][\w:.-]{0,60})((?:\s[^<>]*)?)\/>/g,
    (tag, name: string, attributes: string) => (VOID.test(name) ? tag : `<${name}${attributes}></${name}>`),
  );
}
