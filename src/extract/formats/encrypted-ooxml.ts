import { DocumentFault } from "../errors.ts";
import type { Extractor } from "../extractor.ts";
import { MEDIA } from "../media-types.ts";

/** Office documents under a password: recognized, and refused with the reason. */
export const extractor: Extractor = {
  name: "encrypted-ooxml",
  mediaTypes: [MEDIA.encryptedOoxml],
  async extract() {
    throw new DocumentFault(
      "DOCUMENT_ENCRYPTED",
      "The Office document is encrypted with a password; save it without one and send it again.",
    );
  },
};
