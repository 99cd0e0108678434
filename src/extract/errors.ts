/** Why a document could not be read; a value of `sluice.v1.ErrorReason`. */
export type DocumentFaultReason =
  | "DOCUMENT_CORRUPT"
  | "DOCUMENT_EMPTY"
  | "DOCUMENT_ENCRYPTED"
  | "DOCUMENT_TOO_LARGE"
  | "LIMIT_EXCEEDED"
  | "UNSUPPORTED_MEDIA_TYPE";

/**
 * The document itself is at fault: never retried. The message is for the person who sent it: what is wrong
 * with the document and, where there is something, what to do.
 */
export class DocumentFault extends Error {
  override name = "DocumentFault";
  readonly reason: DocumentFaultReason;
  constructor(reason: DocumentFaultReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}

/** Limits that the operator sets, as fields of `ExtractLimits`. */
export const LIMIT_NAMES = [
  "maxInputBytes",
  "maxInflatedBytes",
  "maxInflationRatio",
  "maxDepth",
  "maxMembers",
  "maxOutputCharacters",
  "maxImagePixels",
] as const;

export type LimitName = (typeof LIMIT_NAMES)[number];

/** The document goes beyond a limit that could be set higher. */
export class LimitFault extends DocumentFault {
  declare readonly reason: "LIMIT_EXCEEDED" | "DOCUMENT_TOO_LARGE";
  readonly limit: LimitName;
  constructor(
    limit: LimitName,
    message: string,
    reason: "LIMIT_EXCEEDED" | "DOCUMENT_TOO_LARGE" = "LIMIT_EXCEEDED",
  ) {
    super(reason, message);
    this.limit = limit;
  }
}
