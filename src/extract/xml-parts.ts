import { parseXml, treeHandlers, type XmlElement, type XmlTreeOptions, type XmlTreeVisitor } from "./xml.ts";
import type { ZipArchive } from "./zip.ts";

/** The XML files of an archive. */
export interface XmlParts {
  /** The part as a tree, or undefined when it is not there. For parts of a modest size. */
  tree(part: string): Promise<XmlElement | undefined>;
  /** Streams a part in trees of bounded size. @returns whether the part is there */
  stream(part: string, visitor: XmlTreeVisitor): Promise<boolean>;
}

export function createXmlParts(archive: ZipArchive, options: XmlTreeOptions): XmlParts {
  const stream = async (part: string, visitor: XmlTreeVisitor) => {
    const member = archive.find(part);
    if (member === undefined) return false;
    await parseXml(archive.read(member), treeHandlers(visitor, options), options);
    return true;
  };
  return {
    stream,
    async tree(part) {
      let root: XmlElement | undefined;
      await stream(part, { visit: () => "tree", tree: (element) => (root = element) });
      return root;
    },
  };
}
