import { SaxesParser } from "saxes";
import { DocumentFault, LimitFault } from "./errors.ts";

export type XmlAttributes = Readonly<Record<string, string>>;

/** Receives a document's parts in order; names carry the prefixes of `XmlOptions.namespaces`. */
export interface XmlHandlers {
  open?(name: string, attributes: XmlAttributes): void;
  text?(text: string): void;
  close?(name: string): void;
}

export interface XmlOptions {
  /** Elements inside each other. */
  maxDepth: number;
  /** Namespace address ▶ the prefix handlers see, whatever the document calls it; others keep the document's. */
  namespaces?: ReadonlyMap<string, string>;
  /** A document type with its entities is never interpreted; `refuse` (the default) makes it a fault. */
  doctype?: "refuse" | "ignore";
  signal?: AbortSignal;
}

/** Characters without an element, end or comment between them. */
const MAX_HELD_CHARACTERS = 32 * 1024 * 1024;

const corrupt = (cause?: unknown) =>
  new DocumentFault(
    "DOCUMENT_CORRUPT",
    "A part of the document is not well-formed XML; send it again from an intact copy.",
    cause,
  );

/**
 * Parses XML as it streams in. Memory does not grow with the document; no entity but the five of XML is
 * ever expanded, nothing is fetched.
 * @throws DocumentFault `DOCUMENT_CORRUPT` when not well-formed, `LIMIT_EXCEEDED` beyond `maxDepth`
 */
export async function parseXml(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  handlers: XmlHandlers,
  options: XmlOptions,
): Promise<void> {
  const write = xmlWriter(handlers, options);
  let decoder: TextDecoder | undefined;
  let head = new Uint8Array(0);
  for await (const chunk of source) {
    options.signal?.throwIfAborted();
    if (decoder === undefined) {
      head = Buffer.concat([head, chunk]);
      // Enough for a byte order mark and an XML declaration.
      if (head.length < 256) continue;
      decoder = decoderFor(head);
      write(decoder.decode(head, { stream: true }));
    } else {
      write(decoder.decode(chunk, { stream: true }));
    }
  }
  if (decoder === undefined) {
    decoder = decoderFor(head);
    write(decoder.decode(head, { stream: true }));
  }
  write(decoder.decode());
  write(null);
}

/** Parses XML that is already text; the same promises as `parseXml`. */
export function parseXmlText(text: string, handlers: XmlHandlers, options: XmlOptions): void {
  const write = xmlWriter(handlers, options);
  write(text);
  write(null);
}

function xmlWriter(handlers: XmlHandlers, options: XmlOptions): (chunk: string | null) => void {
  const parser = new SaxesParser({ position: false });
  const names = canonicalNames(options.namespaces);
  let depth = 0;
  // Characters that the parser holds back until the text, tag or comment they are in ends.
  let held = 0;
  parser.on("error", (error) => {
    throw corrupt(error);
  });
  parser.on("doctype", () => {
    if (options.doctype === "ignore") return;
    throw new DocumentFault(
      "DOCUMENT_CORRUPT",
      "A part of the document has a document type declaration, which is not allowed there.",
    );
  });
  parser.on("comment", () => {
    held = 0;
  });
  parser.on("opentag", (tag) => {
    held = 0;
    depth += 1;
    if (depth > options.maxDepth) {
      throw new LimitFault(
        "maxDepth",
        `The document nests elements deeper than the ${options.maxDepth} levels allowed.`,
      );
    }
    const attributes = names.open(tag.attributes as Record<string, string>);
    handlers.open?.(names.of(tag.name), attributes);
  });
  parser.on("text", (text) => handlers.text?.(text));
  parser.on("cdata", (text) => handlers.text?.(text));
  parser.on("closetag", (tag) => {
    held = 0;
    depth -= 1;
    handlers.close?.(names.of(tag.name));
    names.close();
  });
  return (chunk) => {
    if (chunk === null) parser.close();
    else if (chunk !== "") {
      held += chunk.length;
      if (held > MAX_HELD_CHARACTERS) {
        throw new DocumentFault(
          "LIMIT_EXCEEDED",
          "One piece of text in the document is too large to be read.",
        );
      }
      parser.write(chunk);
    }
  };
}

/** Follows the declarations of prefixes and gives each name the prefix that the reader knows it by. */
function canonicalNames(namespaces: ReadonlyMap<string, string> | undefined) {
  if (namespaces === undefined) {
    return { open: (attributes: XmlAttributes) => attributes, of: (name: string) => name, close: () => {} };
  }
  type Scope = {
    prefixes: Map<string, string>;
    elements: Map<string, string>;
    attributes: Map<string, string>;
  };
  let scope: Scope = { prefixes: new Map(), elements: new Map(), attributes: new Map() };
  const scopes: (Scope | undefined)[] = [];

  const translate = (name: string, isAttribute: boolean): string => {
    const colon = name.indexOf(":");
    if (colon < 0) {
      if (isAttribute) return name;
      const prefix = scope.prefixes.get("");
      return prefix ? `${prefix}:${name}` : name;
    }
    const prefix = name.slice(0, colon);
    const known = scope.prefixes.get(prefix) ?? prefix;
    return known === prefix ? name : known + name.slice(colon);
  };
  const cached = (cache: Map<string, string>, name: string, isAttribute: boolean): string => {
    let translated = cache.get(name);
    if (translated === undefined) {
      translated = translate(name, isAttribute);
      // A document can invent names without end; the usual vocabularies stay far below this.
      if (cache.size < 4096) cache.set(name, translated);
    }
    return translated;
  };

  return {
    open(attributes: XmlAttributes): XmlAttributes {
      let declared: Map<string, string> | undefined;
      for (const name in attributes) {
        if (name !== "xmlns" && !name.startsWith("xmlns:")) continue;
        declared ??= new Map(scope.prefixes);
        const prefix = name === "xmlns" ? "" : name.slice(6);
        declared.set(prefix, namespaces.get(attributes[name] ?? "") ?? prefix);
      }
      if (declared !== undefined) {
        scopes.push(scope);
        scope = { prefixes: declared, elements: new Map(), attributes: new Map() };
      } else {
        scopes.push(undefined);
      }
      const renamed: Record<string, string> = {};
      for (const name in attributes) {
        if (name.startsWith("xmlns")) continue;
        renamed[cached(scope.attributes, name, true)] = attributes[name] ?? "";
      }
      return renamed;
    },
    of: (name: string) => cached(scope.elements, name, false),
    close() {
      scope = scopes.pop() ?? scope;
    },
  };
}

function decoderFor(head: Uint8Array): TextDecoder {
  const [a, b] = head;
  if (a === 0xff && b === 0xfe) return new TextDecoder("utf-16le");
  if (a === 0xfe && b === 0xff) return new TextDecoder("utf-16be");
  if (a === 0x3c && b === 0) return new TextDecoder("utf-16le");
  if (a === 0 && b === 0x3c) return new TextDecoder("utf-16be");
  const declaration = Buffer.from(head.subarray(0, 256)).toString("latin1");
  const label = /^(?:\u00ef\u00bb\u00bf)?<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']/.exec(
    declaration,
  )?.[1];
  // Bytes that can be read as ASCII so far are not UTF-16, whatever they declare.
  if (label === undefined || /^utf-?16/i.test(label)) return new TextDecoder("utf-8");
  try {
    return new TextDecoder(label);
  } catch (error) {
    throw corrupt(error);
  }
}

/** An element with all that is in it. Text stands between its elements as strings. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: XmlAttributes;
  readonly children: (XmlElement | string)[];
}

export interface XmlTreeOptions extends XmlOptions {
  /** Elements and texts that one tree may hold; beyond it `LIMIT_EXCEEDED`. */
  maxTreeNodes: number;
  /** Whether text of only blanks counts inside this element; by default it does not. */
  keepsBlanks?(name: string): boolean;
}

/** Characters of text that one tree may hold. */
const MAX_TREE_CHARACTERS = 64 * 1024 * 1024;

/** What to do with an element met outside of any tree: look at its children, build its tree, or pass over it. */
export type XmlVisit = "enter" | "tree" | "skip";

export interface XmlTreeVisitor {
  visit(name: string, attributes: XmlAttributes): XmlVisit;
  /** A tree is complete; it is not kept. */
  tree(element: XmlElement): void;
  /** An entered element ends. */
  leave?(name: string): void;
}

/**
 * Handlers that cut a stream into trees of a bounded size, so that a large document is never in memory as a whole.
 */
export function treeHandlers(visitor: XmlTreeVisitor, options: XmlTreeOptions): XmlHandlers {
  const stack: XmlElement[] = [];
  let skipped = 0;
  let nodes = 0;
  let characters = 0;
  const count = (length: number) => {
    nodes += 1;
    characters += length;
    if (nodes > options.maxTreeNodes || characters > MAX_TREE_CHARACTERS) {
      throw new DocumentFault(
        "LIMIT_EXCEEDED",
        "One paragraph, table row or other part of the document is too large to be read.",
      );
    }
  };
  return {
    open(name, attributes) {
      if (skipped > 0) {
        skipped += 1;
        return;
      }
      const parent = stack.at(-1);
      if (parent === undefined) {
        const visit = visitor.visit(name, attributes);
        if (visit === "skip") skipped = 1;
        if (visit !== "tree") return;
        nodes = 0;
        characters = 0;
      }
      count(0);
      const element: XmlElement = { name, attributes, children: [] };
      parent?.children.push(element);
      stack.push(element);
    },
    text(text) {
      const parent = stack.at(-1);
      if (parent === undefined || skipped > 0) return;
      if (text.trim() === "" && !options.keepsBlanks?.(parent.name)) return;
      count(text.length);
      parent.children.push(text);
    },
    close(name) {
      if (skipped > 0) {
        skipped -= 1;
        return;
      }
      const element = stack.pop();
      if (element === undefined) visitor.leave?.(name);
      else if (stack.length === 0) visitor.tree(element);
    },
  };
}

/** The child elements, in order; all of them or those with this name. */
export function* elements(parent: XmlElement | undefined, name?: string): Generator<XmlElement> {
  if (parent === undefined) return;
  for (const node of parent.children) {
    if (typeof node !== "string" && (name === undefined || node.name === name)) yield node;
  }
}

/** The first child element with this name; with several names, the first of that path. */
export function child(parent: XmlElement | undefined, ...path: string[]): XmlElement | undefined {
  let found = parent;
  for (const name of path) {
    if (found === undefined) return undefined;
    found = found.children.find((node) => typeof node !== "string" && node.name === name) as
      | XmlElement
      | undefined;
  }
  return found;
}

/** Every element with this name below `parent`, in document order, not looking inside those found. */
export function* descendants(parent: XmlElement | undefined, name: string): Generator<XmlElement> {
  for (const element of elements(parent)) {
    if (element.name === name) yield element;
    else yield* descendants(element, name);
  }
}

/** All text below an element, joined. */
export function textOf(element: XmlElement | undefined): string {
  if (element === undefined) return "";
  let text = "";
  for (const node of element.children) text += typeof node === "string" ? node : textOf(node);
  return text;
}
