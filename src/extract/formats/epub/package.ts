import { DocumentFault } from "../../errors.ts";
import type { ExtractInput } from "../../extractor.ts";
import { child, descendants, elements, textOf, type XmlElement } from "../../xml.ts";
import type { ZipArchive } from "../../zip.ts";
import { localName, parseXmlTree } from "../xml-tree.ts";

/** A part that is read in its place. */
export interface SpineItem {
  path: string;
  /** What the navigation calls it, and how deep it stands there (from 1). */
  title: string | undefined;
  level: number;
}

/** What the package document says of a book. */
export interface Book {
  metadata: XmlElement | undefined;
  spine: SpineItem[];
}

const MAX_PART_BYTES = 32 * 1024 * 1024;
const MAX_SPINE = 20_000;
/** Fonts that are only scrambled do not keep anybody from reading. */
const OBFUSCATION = /^http:\/\/(?:www\.idpf\.org\/2008\/embedding|ns\.adobe\.com\/pdf\/enc#RC)$/;

/**
 * Reads the package of a book: metadata, reading order, navigation.
 * @throws DocumentFault `DOCUMENT_CORRUPT` without a package, `DOCUMENT_ENCRYPTED` for parts under rights management
 */
export async function readBook(archive: ZipArchive, input: ExtractInput): Promise<Book> {
  const tree = async (path: string): Promise<XmlElement | undefined> => {
    const member = archive.find(path);
    if (member === undefined) return undefined;
    const text = (await archive.readAll(member, MAX_PART_BYTES)).toString("utf8").replace(/^\ufeff/, "");
    return parseXmlTree(text, input.limits).root;
  };
  const container = await tree("META-INF/container.xml");
  const [rootfile] = container === undefined ? [] : named(container, "rootfile");
  const main =
    rootfile?.attributes["full-path"] ??
    archive.members.find(({ name }) => name.endsWith(".opf"))?.name ??
    "";
  const opf = await tree(main);
  if (opf === undefined) {
    throw new DocumentFault("DOCUMENT_CORRUPT", "The e-book has no package document that says what to read.");
  }
  const part = (name: string) => [...elements(opf)].find((element) => localName(element) === name);
  const items = new Map<string, { path: string; type: string; properties: string }>();
  for (const { attributes } of elements(part("manifest"))) {
    items.set(attributes.id ?? "", {
      path: resolvePath(main, attributes.href ?? ""),
      type: attributes["media-type"] ?? "",
      properties: attributes.properties ?? "",
    });
  }
  const spine = part("spine");
  const listed = [...elements(spine)].map(({ attributes }) => items.get(attributes.idref ?? ""));
  const nav = [...items.values()].find(({ properties }) => /(?:^|\s)nav(?:\s|$)/.test(properties));
  const ncx =
    items.get(spine?.attributes.toc ?? "") ?? [...items.values()].find(({ type }) => /ncx/.test(type));
  const titles = new Map<string, { title: string; level: number }>();
  for (const source of [nav, ncx]) {
    if (source === undefined || titles.size > 0) continue;
    // A navigation that cannot be read costs the titles, not the book.
    const root = await tree(source.path).catch(() => undefined);
    if (root !== undefined) navigation(root, source.path, titles);
  }
  await refuseLocked(await tree("META-INF/encryption.xml"), new Set(listed.map((item) => item?.path)));
  const paths = listed.flatMap((item) =>
    item !== undefined && item !== nav && /html|xml/i.test(item.type) ? [item.path] : [],
  );
  return {
    metadata: part("metadata"),
    spine: [...new Set(paths)]
      .slice(0, MAX_SPINE)
      .map((path) => ({ path, title: titles.get(path)?.title, level: titles.get(path)?.level ?? 1 })),
  };
}

/** Elements of this name below, whatever their prefix. */
function* named(parent: XmlElement, name: string): Generator<XmlElement> {
  for (const element of elements(parent)) {
    if (localName(element) === name) yield element;
    yield* named(element, name);
  }
}

/** Titles by path, from the navigation document of EPUB 3 (lists of links) or the NCX of EPUB 2. */
function navigation(
  root: XmlElement,
  base: string,
  titles: Map<string, { title: string; level: number }>,
): void {
  const add = (href: string, label: string, level: number) => {
    const path = resolvePath(base, href);
    const title = label.replace(/\s+/g, " ").trim();
    if (title !== "" && !titles.has(path)) titles.set(path, { title, level });
  };
  const walk = (element: XmlElement, level: number): void => {
    const name = localName(element);
    if (name === "a") add(element.attributes.href ?? "", textOf(element), level);
    if (name === "navPoint") {
      const src = [...elements(element)].find((each) => localName(each) === "content")?.attributes.src ?? "";
      const label = [...elements(element)].find((each) => localName(each) === "navLabel");
      add(src, textOf(label), level + 1);
    }
    const deeper = name === "ol" || name === "navPoint" ? level + 1 : level;
    for (const each of elements(element)) walk(each, deeper);
  };
  // Only the table of contents: page lists and landmarks name the same parts otherwise.
  const [toc] = [...descendants(root, "nav")].filter((each) =>
    /toc/.test(each.attributes["epub:type"] ?? "toc"),
  );
  walk(toc ?? child(root, "navMap") ?? root, 0);
}

async function refuseLocked(root: XmlElement | undefined, wanted: ReadonlySet<string | undefined>) {
  if (root === undefined) return;
  for (const data of named(root, "EncryptedData")) {
    const [method] = named(data, "EncryptionMethod");
    const [reference] = named(data, "CipherReference");
    const path = decodeURI(reference?.attributes.URI ?? "");
    if (OBFUSCATION.test(method?.attributes.Algorithm ?? "") || !wanted.has(path)) continue;
    throw new DocumentFault(
      "DOCUMENT_ENCRYPTED",
      "The e-book is protected by rights management; send a copy without it.",
    );
  }
}

/** A reference inside the book as the name of a member, without its fragment. */
function resolvePath(base: string, reference: string): string {
  let path = reference.split("#")[0] ?? "";
  try {
    path = decodeURIComponent(path);
  } catch {
    // A percent sign of its own is part of the name.
  }
  const parts = path.startsWith("/") ? [] : base.split("/").slice(0, -1);
  for (const step of path.split("/")) {
    if (step === "..") parts.pop();
    else if (step !== "" && step !== ".") parts.push(step);
  }
  return parts.join("/");
}
