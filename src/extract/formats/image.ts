import { setImmediate as nextTurn } from "node:timers/promises";
import { DocumentFault } from "../errors.ts";
import type { ExtractInput, Extractor } from "../extractor.ts";
import { outputBudget } from "../flow.ts";
import { MEDIA } from "../media-types.ts";
import type { Block, ExtractedDocument, PageFacts, Warning } from "../model.ts";
import { recognizePicture } from "../ocr/recognize.ts";
import type { PageText } from "../ocr/words.ts";
import { readBytes } from "../read-text.ts";
import { readHeader, SINGLE_IMAGE_TYPES } from "./image/header.ts";
import { checkSize, type Picture, undecodable } from "./image/size.ts";
import { tiffPictures } from "./image/tiff.ts";

/** Reads pictures by OCR: each is a page, of most types there is one in a file. */
export const extractor: Extractor = {
  name: "image",
  mediaTypes: [...SINGLE_IMAGE_TYPES, MEDIA.tiff],
  async extract(input) {
    const { limits, options } = input;
    const bytes = await readBytes(input);
    const wanted = options.maxPages > 0 ? Math.min(options.maxPages, limits.maxPages) : limits.maxPages;
    // One more than is read tells that there are more.
    const found = picturesOf(bytes, input, wanted + 1);
    const pictures = found.slice(0, wanted);
    const warnings: Warning[] = [];
    if (found.length > wanted) {
      warnings.push({
        code: "PAGE_LIMIT_REACHED",
        message: `Only the first ${wanted} pages were read: the page limit was reached.`,
      });
    }
    const { blocks, pages } = await readAll(pictures, input, warnings);
    const { width = 0, height = 0 } = pictures[0] ?? {};
    const properties = { pageCount: found.length, extra: { width, height } };
    return { blocks, pages, properties, warnings };
  },
};

function picturesOf(bytes: Buffer, { mediaType, limits }: ExtractInput, most: number): Picture[] {
  if (mediaType === MEDIA.tiff) return tiffPictures(bytes, most, limits.maxImagePixels);
  const { first, ...header } = readHeader(bytes, mediaType);
  return [{ ...header, encode: () => first ?? bytes }];
}

async function readAll(
  pictures: readonly Picture[],
  input: ExtractInput,
  warnings: Warning[],
): Promise<Pick<ExtractedDocument, "blocks"> & { pages: PageFacts[] }> {
  const blocks: Block[] = [];
  const pages: PageFacts[] = [];
  const never = input.options.ocr === "never";
  const budget = outputBudget(input.limits.maxOutputCharacters);
  if (!never) for (const picture of pictures) checkSize(picture, input.limits.maxImagePixels);
  let unreadable = 0;
  for (const [index, picture] of pictures.entries()) {
    const page = index + 1;
    const text = never ? undefined : await readOne(picture, page, pictures.length, input);
    if (text === undefined && !never) {
      unreadable += 1;
      const message = `Page ${page} is damaged and could not be read.`;
      warnings.push({ code: "PART_SKIPPED", message, page });
    } else if ((text?.characters ?? 0) === 0) {
      const why = never ? "is an image; its text was not read" : "is an image in which no text was found";
      warnings.push({ code: "PAGE_WITHOUT_TEXT", message: `Page ${page} ${why}.`, page });
    }
    budget.spend(text?.characters ?? 0);
    for (const block of text?.blocks ?? []) blocks.push(block);
    if (page < pictures.length) blocks.push({ type: "page_break", page });
    pages.push(pageFacts(page, text));
  }
  if (unreadable === pictures.length) throw undecodable();
  return { blocks, pages };
}

async function readOne(
  picture: Picture,
  page: number,
  total: number,
  { options, limits, signal, progress }: ExtractInput,
): Promise<PageText | undefined> {
  signal.throwIfAborted();
  const place = `page ${page} of ${total}`;
  progress(page - 1, total, place);
  await nextTurn();
  const encoded = encode(picture);
  if (encoded === undefined) return undefined;
  return await recognizePicture({
    picture: encoded,
    page,
    orientation: picture.orientation,
    dpi: 0,
    languages: options.languages,
    maxPixels: limits.maxImagePixels,
    onProgress: (share) => progress(page - 1 + share, total, place),
  });
}

/** Nothing for a page that is damaged: the others may be sound. */
function encode(picture: Picture): Uint8Array | undefined {
  try {
    return picture.encode();
  } catch (error) {
    if (error instanceof DocumentFault && error.reason === "DOCUMENT_CORRUPT") return undefined;
    throw error;
  }
}

function pageFacts(page: number, text: PageText | undefined): PageFacts {
  const confidence = text?.confidence;
  return {
    page,
    characters: text?.characters ?? 0,
    images: 1,
    ...(confidence === undefined ? {} : { ocrConfidence: confidence }),
  };
}
