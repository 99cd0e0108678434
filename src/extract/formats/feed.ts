import { escapeMarkdown, linkMarkdown } from "../escape-markdown.ts";
import type { ExtractInput, Extractor } from "../extractor.ts";
import { type OutputBudget, outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Block, DocumentProperties, Warning } from "../model.ts";
import { readText } from "../read-text.ts";
import { elements, textOf, type XmlElement } from "../xml.ts";
import { htmlDocument } from "./html.ts";
import { append } from "./ooxml/append.ts";
import { localName, parseXmlTree } from "./xml-tree.ts";

const MAX_LINKS = 10_000;

/** RSS (also as RDF) and Atom: the feed, then each entry with its date, author, link and content. */
export const extractor: Extractor = {
  name: "feed",
  mediaTypes: [MEDIA.rss, MEDIA.atom],
  async extract(input) {
    const { text } = await readText(input);
    const { root, unknownEntities } = parseXmlTree(text, input.limits);
    const budget = outputBudget(input.limits.maxOutputCharacters);
    const channel = part(root, "channel") ?? root;
    // In RDF the entries stand beside the channel.
    const entries = [...parts(channel, "item", "entry"), ...(channel === root ? [] : parts(root, "item"))];
    const links = new Set<string>();
    const title = plain(part(channel, "title"));
    const subtitle = part(channel, "description", "subtitle");
    const blocks: Block[] = title === "" ? [] : [{ type: "heading", level: 1, text: title }];
    append(blocks, contentBlocks(subtitle, input, budget));
    for (const [index, entry] of entries.entries()) {
      input.signal.throwIfAborted();
      if (index % 256 === 0) input.progress(index, entries.length);
      append(blocks, entryBlocks(entry, input, budget, links));
    }
    const warnings: Warning[] = unknownEntities.map((name) => ({
      code: "ENTITY_NOT_EXPANDED",
      message: `The entity &${name}; is not known and was left as it is; entities a document declares are not expanded.`,
    }));
    const properties = feedProperties(channel, title, entries.length);
    if (links.size > 0) properties.links = [...links];
    return { blocks, properties, warnings };
  },
};

/** The first child with one of these names, in the order of the names; prefixes do not count. */
function part(parent: XmlElement, ...names: string[]): XmlElement | undefined {
  for (const name of names) {
    for (const element of elements(parent)) if (localName(element) === name) return element;
  }
  return undefined;
}

const parts = (parent: XmlElement, ...names: string[]) =>
  [...elements(parent)].filter((element) => names.includes(localName(element)));

/** Text of one line; titles may hold HTML. */
function plain(element: XmlElement | undefined): string {
  const text = textOf(element);
  const bare = /^(?:html|xhtml)$/.test(element?.attributes.type ?? "") || /<\/?[a-z][^<>]*>/i.test(text);
  return (bare ? text.replace(/<[^<>]*>/g, "") : text).replace(/\s+/g, " ").trim();
}

function entryBlocks(
  entry: XmlElement,
  input: ExtractInput,
  budget: OutputBudget,
  links: Set<string>,
): Block[] {
  const blocks: Block[] = [];
  const title = plain(part(entry, "title"));
  const link = linkOf(entry);
  if (link !== undefined && links.size < MAX_LINKS) links.add(link);
  const author = part(entry, "creator", "author");
  const name = plain((author && part(author, "name")) ?? author);
  const facts = [plain(part(entry, "pubDate", "published", "date", "updated")), name]
    .filter(Boolean)
    .join(" · ");
  budget.spend(title.length + facts.length);
  if (title !== "") {
    const markdown = link === undefined ? undefined : linkMarkdown(escapeMarkdown(title), link);
    blocks.push({ type: "heading", level: 2, text: title, ...(markdown !== undefined && { markdown }) });
  } else if (link !== undefined) blocks.push({ type: "paragraph", text: link });
  if (facts !== "") blocks.push({ type: "paragraph", text: facts });
  // The whole text where there is one, else the summary.
  append(blocks, contentBlocks(part(entry, "encoded", "content", "description", "summary"), input, budget));
  return blocks;
}

function linkOf(entry: XmlElement): string | undefined {
  const found = parts(entry, "link");
  const chosen = found.find(({ attributes }) => (attributes.rel ?? "alternate") === "alternate") ?? found[0];
  const address = (chosen?.attributes.href ?? textOf(chosen)).trim();
  return /^https?:/i.test(address) ? address : undefined;
}

/** Content is HTML written as text, XHTML, or plain. */
function contentBlocks(element: XmlElement | undefined, input: ExtractInput, budget: OutputBudget): Block[] {
  if (element === undefined) return [];
  const html = [...elements(element)].length > 0 ? markup(element) : textOf(element);
  const isPlain = element.attributes.type === "text" || !/<\/?[a-z][^<>]*>|&(?:[a-z]+|#\d+);/i.test(html);
  if (!isPlain) {
    const options = { ...input.options, mainContentOnly: false };
    return inner(htmlDocument(html, { ...input, options }, budget).blocks);
  }
  const text = html.replace(/\s+/g, " ").trim();
  budget.spend(text.length);
  return text === "" ? [] : [{ type: "paragraph", text }];
}

/** Headings within an entry stand below its title. */
const inner = (blocks: readonly Block[]): Block[] =>
  blocks.map((block) =>
    block.type === "heading" ? { ...block, level: Math.min(6, block.level + 2) } : block,
  );

const escaped = (text: string) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

function markup(element: XmlElement): string {
  return element.children
    .map((node) => {
      if (typeof node === "string") return escaped(node);
      const name = localName(node);
      const attributes = ["href", "src", "alt", "colspan", "rowspan"].flatMap((key) =>
        node.attributes[key] === undefined ? [] : [` ${key}="${escaped(node.attributes[key])}"`],
      );
      const isVoid = /^(?:br|hr|img|wbr)$/.test(name);
      return `<${name}${attributes.join("")}>${isVoid ? "" : `${markup(node)}</${name}>`}`;
    })
    .join("");
}

function feedProperties(channel: XmlElement, title: string, entries: number): DocumentProperties {
  const properties: DocumentProperties = { extra: { entries } };
  if (title !== "") properties.title = title;
  const author = part(channel, "author", "managingEditor", "creator");
  const name = plain((author && part(author, "name")) ?? author);
  if (name !== "") properties.authors = [name];
  const modified = plain(part(channel, "lastBuildDate", "updated", "pubDate", "date"));
  const date = new Date(modified);
  if (modified !== "" && !Number.isNaN(date.getTime())) properties.modified = date.toISOString();
  const language = plain(part(channel, "language")) || (channel.attributes["xml:lang"] ?? "");
  if (language !== "") properties.extra = { entries, language };
  return properties;
}
