import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { capMemory } from "../wasm-memory.ts";
import { languageData, languagesOf, ORIENTATION_DATA } from "./languages.ts";
import { createTesseract, type Tesseract, type TesseractApi } from "./tesseract.ts";

const MIB = 1024 * 1024;
/** What Tesseract takes beside the pixels: its code, its languages, the text it finds. */
const BASE_HEAP_BYTES = 160 * MIB;
/** A picture in colour and the copies of it that are made on the way; with transparency they are most. */
const HEAP_BYTES_PER_PIXEL = 14;
/** WebAssembly ends at 2 GiB here. */
const MAX_HEAP_BYTES = 2048 * MIB;
/** A heap above this is given back by building a new instance: WebAssembly memory never shrinks. */
const RECYCLE_HEAP_BYTES = 192 * MIB;
const WASM = "tesseract.js-core/tesseract-core-simd.wasm";
const INPUT = "/input";
const LSTM_ONLY = 1;
const LEGACY_ONLY = 0;
/** Finds columns, blocks and lines by itself. */
const AUTOMATIC_LAYOUT = 3;

/** How one picture is to be read. */
export interface ReadHow {
  /** How it must be turned to stand upright, as EXIF counts: 1 as it is, 3 upside down, 6 and 8 lying. */
  orientation: number;
  /** Dots per inch; 0 = not known. */
  dpi: number;
  /** Told while it is read, with the share done from 0 to 1. */
  onProgress(share: number): void;
}

/** Tesseract (WebAssembly) with its languages loaded. One picture at a time. */
export interface OcrEngine {
  /** Takes in an encoded picture in place of the one before. */
  load(picture: Uint8Array): void;
  /** Tesseract's words of the loaded picture as TSV, with places and confidences; nothing if it cannot be decoded. */
  read(how: ReadHow): string | undefined;
  /** Quarter turns clockwise that would set the picture upright; 0 also where that cannot be told. */
  turnsToUpright(orientation: number): Promise<number>;
}

/** What an engine must have: its languages, and room for pictures of `maxPixels`. */
export interface EngineNeeds {
  languages: readonly string[];
  maxPixels: number;
}

/** Text recognition ran out of the memory that it may use. */
export class OcrMemoryError extends Error {
  override name = "OcrMemoryError";
  constructor(cause?: unknown) {
    super("Text recognition is out of memory.", { cause });
  }
}

/** Tesseract broke off on this picture; the next one gets a new instance. */
export class OcrFailedError extends Error {
  override name = "OcrFailedError";
  constructor(cause?: unknown) {
    super("Text recognition broke off on this picture.", { cause });
  }
}

let warm: { key: string; engine: Promise<Engine> } | undefined;

/**
 * Lends the engine of this process to `work`, built anew where another one is needed. Whatever goes wrong inside
 * Tesseract comes out as an `OcrMemoryError` or `OcrFailedError`, never as an empty text.
 */
export async function withOcrEngine<Result>(
  needs: EngineNeeds,
  work: (engine: OcrEngine) => Promise<Result>,
): Promise<Result> {
  const languages = languagesOf(needs.languages);
  const key = `${languages} ${needs.maxPixels}`;
  if (warm?.key !== key) warm = { key, engine: build(languages, needs.maxPixels) };
  let engine: Engine | undefined;
  try {
    engine = await warm.engine;
    const result = await work(engine);
    engine.load(new Uint8Array(0));
    if (engine.heapBytes() > RECYCLE_HEAP_BYTES) warm = undefined;
    return result;
  } catch (error) {
    // An aborted instance answers no further call.
    warm = undefined;
    throw error;
  }
}

interface Engine extends OcrEngine {
  heapBytes(): number;
}

async function build(languages: string, maxPixels: number): Promise<Engine> {
  const heap = Math.min(MAX_HEAP_BYTES, BASE_HEAP_BYTES + HEAP_BYTES_PER_PIXEL * maxPixels);
  const binary = await readFile(createRequire(import.meta.url).resolve(WASM));
  let onProgress: (share: number) => void = () => undefined;
  const tesseract = await createTesseract(capMemory(binary, heap), (share) => onProgress(share));
  const api = await openApi(tesseract, languages, LSTM_ONLY);
  let orientation: TesseractApi | undefined;

  return {
    load(picture) {
      tesseract.writeFile(INPUT, picture);
    },
    read(how) {
      onProgress = how.onProgress;
      return guarded(tesseract, () => {
        if (api.SetImageFile(how.orientation, 0, 0) !== 0) return undefined;
        tesseract.layOnWhite(api);
        if (how.dpi > 0) api.SetSourceResolution(how.dpi);
        if (api.Recognize(null) !== 0) return undefined;
        const tsv = api.GetTSVText(0);
        api.Clear();
        return tsv;
      });
    },
    async turnsToUpright(from) {
      orientation ??= await openApi(tesseract, ORIENTATION_DATA, LEGACY_ONLY);
      const detector = orientation;
      return guarded(tesseract, () => {
        if (detector.SetImageFile(from, 0, 0) !== 0) return 0;
        tesseract.layOnWhite(detector);
        const turns = tesseract.detectTurns(detector);
        detector.Clear();
        return turns;
      });
    },
    heapBytes: () => tesseract.heapBytes(),
  };
}

async function openApi(tesseract: Tesseract, languages: string, mode: number): Promise<TesseractApi> {
  for (const language of languages.split("+")) {
    tesseract.writeFile(`/${language}.traineddata`, await languageData(language));
  }
  const api = guarded(tesseract, () => {
    const created = tesseract.createApi();
    return created.Init("/", languages, mode) === 0 ? created : undefined;
  });
  if (api === undefined) throw new Error(`Tesseract cannot load its data for ${languages}.`);
  api.SetPageSegMode(AUTOMATIC_LAYOUT);
  // Words of one page are no hint for the next: the same page reads the same, whatever came before it.
  api.SetVariable("tessedit_enable_doc_dict", "0");
  return api;
}

/** Tesseract goes on without the memory it did not get, and then reports success: that is a failure here. */
function guarded<Result>(tesseract: Tesseract, call: () => Result): Result {
  let result: Result;
  try {
    result = call();
  } catch (error) {
    const isAllocation = error instanceof RangeError && /allocation/i.test(error.message);
    throw tesseract.ranOut() || isAllocation ? new OcrMemoryError(error) : new OcrFailedError(error);
  }
  if (tesseract.ranOut()) throw new OcrMemoryError();
  return result;
}
