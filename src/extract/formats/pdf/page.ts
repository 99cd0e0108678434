import { setImmediate as nextTurn } from "node:timers/promises";
import type { ExtractInput } from "../../extractor.ts";
import type { PageFacts, Warning } from "../../model.ts";
import { recognizePicture } from "../../ocr/recognize.ts";
import type { PageText } from "../../ocr/words.ts";
import { type OpenDocument, readLinks } from "./document.ts";
import type { Engine } from "./engine.ts";
import type { PageContent } from "./geometry.ts";
import { type Raster, rasterize } from "./raster.ts";
import { scanPage } from "./scan.ts";
import { NO_TAGS, readTags } from "./tags.ts";
import { lacksText } from "./text-layer.ts";

/** Characters of one page; a page of a book has 3,000. */
const MAX_PAGE_CHARACTERS = 2_000_000;

/** A page and, where its picture was read in place of its text, what was found there. */
export interface ReadPage {
  content: PageContent;
  recognized?: PageText;
}

/** A page as it was loaded. */
export interface LoadedPage {
  content: PageContent;
  wantsRecognition: boolean;
  raster?: Raster;
}

/** Reads a page and, if its text must be read from its picture, draws it; nothing if it is damaged. */
export function loadPage(
  engine: Engine,
  document: OpenDocument,
  number: number,
  links: Set<string>,
  { options, limits }: ExtractInput,
): LoadedPage | undefined {
  const page = engine.fn("FPDF_LoadPage")(document.handle, number - 1);
  if (page === 0) return undefined;
  try {
    const tags = document.tagged ? readTags(engine, page) : NO_TAGS;
    const content = scanPage(engine, page, number, tags, { maxCharacters: MAX_PAGE_CHARACTERS });
    readLinks(engine, document, page, links);
    const wantsRecognition = options.ocr === "always" || (options.ocr === "auto" && lacksText(content));
    const maxPixels = limits.maxImagePixels;
    const raster =
      wantsRecognition && content.imagePixels <= maxPixels ? rasterize(engine, page, maxPixels) : undefined;
    return { content, wantsRecognition, ...(raster === undefined ? {} : { raster }) };
  } finally {
    engine.fn("FPDF_ClosePage")(page);
  }
}

/** Reads the text of a page from its picture; nothing if that cannot be done. */
export async function recognize(
  { picture, dpi }: Raster,
  page: number,
  { options, limits }: ExtractInput,
  onProgress: (share: number) => void,
): Promise<PageText | undefined> {
  await nextTurn();
  const { languages } = options;
  const maxPixels = limits.maxImagePixels;
  return await recognizePicture({ picture, page, orientation: 1, dpi, languages, maxPixels, onProgress });
}

/** What a reader should know of a page: parts that are not in the text. */
export function* pageWarnings(
  { content, wantsRecognition }: LoadedPage,
  text: PageText | undefined,
  { options, limits }: ExtractInput,
): Generator<Warning> {
  const { page } = content;
  if (content.truncated) {
    yield {
      code: "OUTPUT_LIMIT_REACHED",
      message: `Page ${page} has more than ${MAX_PAGE_CHARACTERS} characters; the rest of them was not read.`,
      page,
    };
  }
  if (wantsRecognition && text === undefined) {
    const why =
      content.imagePixels > limits.maxImagePixels
        ? `shows a picture of ${content.imagePixels} pixels; at most ${limits.maxImagePixels} are read`
        : "could not be drawn and read";
    yield { code: "PART_SKIPPED", message: `Page ${page} ${why}.`, page };
  } else if (content.characters === 0 && content.images > 0 && (text?.characters ?? 0) === 0) {
    const why = options.ocr === "never" ? "its text was not read" : "no text was found in it";
    yield { code: "PAGE_WITHOUT_TEXT", message: `Page ${page} is an image; ${why}.`, page };
  }
}

/** What was seen of a page. */
export function pageFacts(
  { page, characters, images }: PageContent,
  recognized: PageText | undefined,
): PageFacts {
  const confidence = recognized?.confidence;
  return {
    page,
    characters: recognized?.characters ?? characters,
    images,
    ...(confidence === undefined ? {} : { ocrConfidence: confidence }),
  };
}
