import { withChildren } from "../children.ts";
import { DocumentFault, type DocumentFaultReason } from "../errors.ts";
import type { ChildResult, Extractor } from "../extractor.ts";
import { MEDIA } from "../media-types.ts";
import { openZip } from "../zip.ts";

/** What systems put into archives by themselves. */
const LITTER = /(?:^|\/)(?:__MACOSX\/|\.DS_Store$|Thumbs\.db$|desktop\.ini$)/i;

/** ZIP archives: each member is read as a document of its own, archives among them to a bounded depth. */
export const extractor: Extractor = {
  name: "zip",
  mediaTypes: [MEDIA.zip],
  async extract(input) {
    const archive = await openZip(input.path, input.limits, input.signal);
    try {
      const members = archive.members.filter(({ name }) => !LITTER.test(name));
      if (members.length === 0) throw new DocumentFault("DOCUMENT_EMPTY", "The ZIP archive has no files.");
      const results: ChildResult[] = [];
      for (const [index, member] of members.entries()) {
        input.progress(index, members.length, `file ${index + 1} of ${members.length}`);
        const { name, declaredBytes: sizeBytes } = member;
        const content = archive.read(member);
        const result = await input.readChild?.({ name, mediaType: "", sizeBytes, content });
        if (result !== undefined) results.push(result);
      }
      refuseUnread(results);
      const properties = { extra: { files: members.length } };
      return withChildren({ blocks: [], properties, warnings: [] }, results);
    } finally {
      archive.close();
    }
  },
};

/** An archive of which nothing can be read fails for the reason of its first file that failed. */
function refuseUnread(results: readonly ChildResult[]): void {
  if (results.some(({ facts }) => facts.status === "READ")) return;
  const first = results.find(({ facts }) => facts.status === "FAILED") ?? results[0];
  const { name = "", reason = "DOCUMENT_CORRUPT", skipped = "" } = first?.facts ?? {};
  const known: string = reason === "STAGE_FAILED" ? "DOCUMENT_CORRUPT" : reason;
  throw new DocumentFault(
    known as DocumentFaultReason,
    `No file of the ZIP archive could be read. ${name}: ${skipped}`,
  );
}
