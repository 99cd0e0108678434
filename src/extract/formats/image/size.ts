import { DocumentFault, LimitFault } from "../../errors.ts";

/** What a picture says of itself before it is decoded. */
export interface ImageHeader {
  width: number;
  height: number;
  /** How it must be turned to stand upright, as EXIF counts; 1 = as it is. */
  orientation: number;
  /** The bytes of the first picture, where a file may hold several. */
  first?: Uint8Array;
}

/** A page of a file of pictures, before it is decoded. */
export interface Picture {
  width: number;
  height: number;
  orientation: number;
  /** Its bytes in a form that the recognition decodes. */
  encode(): Uint8Array;
}

/**
 * Refuses a picture by what its header says, before anything is allocated for its pixels.
 *
 * @throws DocumentFault DOCUMENT_CORRUPT without pixels, DOCUMENT_TOO_LARGE with more than `maxPixels`
 */
export function checkSize({ width, height }: { width: number; height: number }, maxPixels: number): void {
  if (!(width >= 1 && height >= 1)) {
    throw new DocumentFault(
      "DOCUMENT_CORRUPT",
      "This picture has no pixels; send it again from the original.",
    );
  }
  if (width * height > maxPixels) {
    throw new LimitFault(
      "maxImagePixels",
      `A picture has ${width} × ${height} pixels; at most ${maxPixels} are read. Send it with a lower resolution.`,
      "DOCUMENT_TOO_LARGE",
    );
  }
}

/** The picture cannot be decoded. */
export function undecodable(cause?: unknown): DocumentFault {
  return new DocumentFault(
    "DOCUMENT_CORRUPT",
    "This picture cannot be decoded: it is cut short or damaged; send it again from the original.",
    cause,
  );
}
