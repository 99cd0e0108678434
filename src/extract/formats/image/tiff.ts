import type { Picture } from "./size.ts";
import { putFirst, TAG, tiffPages } from "./tiff-directory.ts";
import { decodePage, needsDecoding } from "./tiff-pixels.ts";

/**
 * The pages of a TIFF.
 *
 * @param most pages that are looked for
 * @throws DocumentFault DOCUMENT_CORRUPT if it has none, or not every one can be found
 */
export function tiffPictures(bytes: Buffer, most: number, maxPixels: number): Picture[] {
  return tiffPages(bytes, most).map((page) => {
    const tagValue = (tag: number) => page.tags.get(tag)?.[0] ?? 0;
    const encoded = !needsDecoding(page);
    const orientation = tagValue(TAG.orientation);
    return {
      width: tagValue(TAG.width),
      height: tagValue(TAG.height),
      // Whoever decodes a page turns it, too.
      orientation: encoded || orientation < 1 || orientation > 8 ? 1 : orientation,
      encode() {
        if (!encoded) return decodePage(bytes, page, maxPixels);
        putFirst(bytes, page);
        return bytes;
      },
    };
  });
}
