import { MEDIA } from "../../media-types.ts";
import { bmpHeader } from "./bmp.ts";
import { gifHeader } from "./gif.ts";
import { jpegHeader } from "./jpeg.ts";
import { pngHeader } from "./png.ts";
import { type ImageHeader, undecodable } from "./size.ts";
import { webpHeader } from "./webp.ts";

const READERS: ReadonlyMap<string, (bytes: Buffer) => ImageHeader | undefined> = new Map([
  [MEDIA.png, pngHeader],
  [MEDIA.apng, pngHeader],
  [MEDIA.jpeg, jpegHeader],
  [MEDIA.webp, webpHeader],
  [MEDIA.gif, gifHeader],
  [MEDIA.bmp, bmpHeader],
]);

/** The types of which one picture a file is read. */
export const SINGLE_IMAGE_TYPES: readonly string[] = [...READERS.keys()];

/**
 * Reads the header of a picture of one of `SINGLE_IMAGE_TYPES`.
 *
 * @throws DocumentFault DOCUMENT_CORRUPT if it has none that can be read
 */
export function readHeader(bytes: Buffer, mediaType: string): ImageHeader {
  const header = READERS.get(mediaType)?.(bytes);
  if (header === undefined) throw undecodable();
  return header;
}
