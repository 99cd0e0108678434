/** How a document came in. */
export type DocumentSource = "TEXT" | "INLINE" | "UPLOAD" | "URI";

/** A document as it was handed in. It is ready once its bytes have arrived. */
export interface Document {
  id: string;
  ownerId: string;
  filename: string;
  /** As the client said; what it is, the detect stage finds out. */
  mediaType: string;
  sizeBytes: number;
  /** Hex; null while the bytes are awaited. */
  sha256: string | null;
  source: DocumentSource;
  /** Where it comes from, without what may be secret; empty for other sources. */
  uri: string;
  createTime: Date;
  /** When it is deleted unless a job uses it then; null: it goes with its last job, or is kept. */
  expireTime: Date | null;
}

/** Where the bytes of a document lie. */
export type DocumentBody = { content: Uint8Array } | { objectKey: string };

/** Documents up to this size stand in their row; larger ones in the object store. */
export const INLINE_DOCUMENT_BYTES = 64 * 1024;

/** Where the bytes of this document are put, unless others have brought the same before. */
export function documentObjectKey(documentId: string): string {
  return `documents/${documentId}`;
}
