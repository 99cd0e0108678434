import { DocumentFault } from "../../errors.ts";
import type { ExtractInput } from "../../extractor.ts";
import { descendants, elements, type XmlTreeOptions } from "../../xml.ts";
import { createXmlParts, type XmlParts } from "../../xml-parts.ts";
import { openZip } from "../../zip.ts";

/** An OpenDocument file: parts in a ZIP container, told by a manifest. */
export interface OdfPackage extends XmlParts {
  /** Folders of embedded objects of this media type, without the slash at the end. */
  objects(mediaType: RegExp): string[];
  close(): void;
}

const MAX_TREE_NODES = 1_000_000;
const MAX_OBJECTS = 500;

const ODF = "urn:oasis:names:tc:opendocument:xmlns:";
const NAMESPACES: ReadonlyMap<string, string> = new Map([
  ...["office", "text", "table", "style", "meta", "manifest", "presentation"].map(
    (name): [string, string] => [`${ODF}${name}:1.0`, name],
  ),
  [`${ODF}drawing:1.0`, "draw"],
  [`${ODF}xsl-fo-compatible:1.0`, "fo"],
  [`${ODF}svg-compatible:1.0`, "svg"],
  ["http://www.w3.org/1999/xlink", "xlink"],
  ["http://purl.org/dc/elements/1.1/", "dc"],
  ["http://www.w3.org/1998/Math/MathML", "math"],
  ["urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0", "loext"],
]);

/** Elements that only stand around others; blanks in them are indentation. */
const STRUCTURE =
  /^(?:office|table|style|draw|manifest|meta):|^text:(?:list|list-item|list-header|section|note|note-body|index-body)$/;

/**
 * Opens an OpenDocument file.
 * @throws DocumentFault `DOCUMENT_ENCRYPTED` when it needs a password, `DOCUMENT_CORRUPT`
 */
export async function openOdf(input: ExtractInput): Promise<OdfPackage> {
  const archive = await openZip(input.path, input.limits, input.signal);
  const options: XmlTreeOptions = {
    maxDepth: input.limits.maxDepth,
    maxTreeNodes: MAX_TREE_NODES,
    namespaces: NAMESPACES,
    doctype: "ignore",
    signal: input.signal,
    keepsBlanks: (name) => !STRUCTURE.test(name),
  };
  const { stream, tree } = createXmlParts(archive, options);
  try {
    const entries = [...elements(await tree("META-INF/manifest.xml"), "manifest:file-entry")];
    // An encrypted package (ODF 1.3) is one member; before, each part is encrypted by itself.
    const isLocked =
      archive.find("encrypted-package") !== undefined ||
      entries.some((entry) => !descendants(entry, "manifest:encryption-data").next().done);
    if (isLocked) {
      throw new DocumentFault(
        "DOCUMENT_ENCRYPTED",
        "The OpenDocument file is encrypted with a password; save it without one and send it again.",
      );
    }
    if (archive.find("content.xml") === undefined) {
      throw new DocumentFault(
        "DOCUMENT_CORRUPT",
        "The ZIP container holds no OpenDocument file: its content.xml is missing.",
      );
    }
    return {
      tree,
      stream,
      objects: (mediaType) =>
        entries
          .filter(({ attributes }) => mediaType.test(attributes["manifest:media-type"] ?? ""))
          .map(({ attributes }) => (attributes["manifest:full-path"] ?? "").replace(/\/$/, ""))
          .filter((path) => path !== "")
          .slice(0, MAX_OBJECTS),
      close: () => archive.close(),
    };
  } catch (error) {
    archive.close();
    throw error;
  }
}
