import { open } from "node:fs/promises";
import { DocumentFault } from "../../errors.ts";
import type { ExtractInput } from "../../extractor.ts";
import { elements, type XmlElement, type XmlTreeOptions } from "../../xml.ts";
import { createXmlParts, type XmlParts } from "../../xml-parts.ts";
import { openZip, type ZipArchive } from "../../zip.ts";
import { OFFICE_NAMESPACES } from "./namespaces.ts";

/** Where one part points: the last word of the relationship's type, and its target. */
export interface Relationship {
  type: string;
  /** The name of a part, or for `external` an address. */
  target: string;
  external: boolean;
}

export type Relationships = ReadonlyMap<string, Relationship>;

/** An Office document: parts in a ZIP container, with relationships between them. */
export interface OfficePackage extends XmlParts {
  readonly archive: ZipArchive;
  has(part: string): boolean;
  /** Relationships of a part by their id; of the package itself for `""`. */
  relationships(part: string): Promise<Relationships>;
  /** The part that the package calls its document. */
  mainPart(fallback: string): Promise<string>;
  close(): void;
}

/** Elements and texts in one part or one piece of a streamed part. */
const MAX_TREE_NODES = 1_000_000;

/**
 * Opens an Office document.
 * @throws DocumentFault `DOCUMENT_ENCRYPTED` when it needs a password, `DOCUMENT_CORRUPT`
 */
export async function openPackage(input: ExtractInput): Promise<OfficePackage> {
  await refuseCompoundFile(input.path);
  const archive = await openZip(input.path, input.limits, input.signal);
  const options: XmlTreeOptions = {
    maxDepth: input.limits.maxDepth,
    maxTreeNodes: MAX_TREE_NODES,
    namespaces: OFFICE_NAMESPACES,
    signal: input.signal,
    keepsBlanks: (name) => name.endsWith(":t") || name.endsWith(":text") || name.endsWith(":v"),
  };
  const known = new Map<string, Relationships>();

  const { stream, tree } = createXmlParts(archive, options);
  const relationships = async (part: string) => {
    let found = known.get(part);
    if (found === undefined) {
      found = relationshipsOf(part, await tree(relationshipPart(part)));
      known.set(part, found);
    }
    return found;
  };

  return {
    archive,
    has: (part) => archive.find(part) !== undefined,
    relationships,
    tree,
    stream,
    async mainPart(fallback) {
      for (const { type, target } of (await relationships("")).values()) {
        if (type === "officeDocument" && archive.find(target) !== undefined) return target;
      }
      if (archive.find(fallback) !== undefined) return fallback;
      throw new DocumentFault(
        "DOCUMENT_CORRUPT",
        "The ZIP container holds no Office document: its main part is missing.",
      );
    },
    close: () => archive.close(),
  };
}

/** The first part that a part's relationships name with this type. */
export function partOfType(relationships: Relationships, type: string): string | undefined {
  for (const relationship of relationships.values()) {
    if (relationship.type === type && !relationship.external) return relationship.target;
  }
  return undefined;
}

function relationshipPart(part: string): string {
  const slash = part.lastIndexOf("/") + 1;
  return `${part.slice(0, slash)}_rels/${part.slice(slash)}.rels`;
}

function relationshipsOf(part: string, root: XmlElement | undefined): Relationships {
  const found = new Map<string, Relationship>();
  for (const { attributes } of elements(root)) {
    const { Id: id, Type: type = "", Target: target = "", TargetMode: mode } = attributes;
    if (id === undefined) continue;
    const external = mode?.toLowerCase() === "external";
    found.set(id, {
      type: type.slice(type.lastIndexOf("/") + 1),
      target: external ? target : resolvePart(part, target),
      external,
    });
  }
  return found;
}

function resolvePart(base: string, target: string): string {
  const path = target.replaceAll("\\", "/").split("#")[0] ?? "";
  const parts = path.startsWith("/") ? [] : base.split("/").slice(0, -1);
  for (const step of path.split("/")) {
    if (step === "..") parts.pop();
    else if (step !== "" && step !== ".") parts.push(step);
  }
  return parts.join("/");
}

/** An Office document under a password is a compound file that holds an encrypted package. */
async function refuseCompoundFile(path: string): Promise<void> {
  const file = await open(path);
  try {
    const header = Buffer.alloc(512);
    const { bytesRead } = await file.read(header, 0, 512, 0);
    if (bytesRead < 512 || header.readUInt32BE(0) !== 0xd0cf11e0) return;
    const sectorShift = Math.min(16, header.readUInt16LE(30));
    const directory = Buffer.alloc(16 * 1024);
    await file.read(directory, 0, directory.length, (header.readUInt32LE(48) + 1) * 2 ** sectorShift);
    const { size } = await file.stat();
    const tail = Buffer.alloc(Math.min(size, 64 * 1024));
    await file.read(tail, 0, tail.length, size - tail.length);
    const stream = Buffer.from("EncryptedPackage", "utf16le");
    if (directory.includes(stream) || tail.includes(stream)) {
      throw new DocumentFault(
        "DOCUMENT_ENCRYPTED",
        "The document is protected by a password; remove the password and send it again.",
      );
    }
  } finally {
    await file.close();
  }
  throw new DocumentFault(
    "DOCUMENT_CORRUPT",
    "The document is in an older binary Office format, not in the one its media type names.",
  );
}
