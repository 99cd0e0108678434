import { createRequire } from "node:module";

const GLUE = "tesseract.js-core/tesseract-core-simd.js";
/** Tesseract reports the search for lines and the like as the first 30 percent, at once. */
const FIRST_PERCENT = 30;
const GROW_ATTEMPTS = 3;

/** The calls of Tesseract's own interface that are used here; see its `baseapi.h`. */
export interface TesseractApi {
  Init(dataPath: string, languages: string, engineMode: number): number;
  SetVariable(name: string, value: string): boolean;
  SetPageSegMode(mode: number): void;
  /** Decodes the file `/input`. 0 = done. */
  SetImageFile(orientation: number, angle: number, upscale: number): number;
  SetSourceResolution(dpi: number): void;
  Recognize(monitor: null): number;
  GetTSVText(page: number): string;
  GetInputImage(): Picture;
  DetectOS(results: OrientationResults): boolean;
  Clear(): void;
}

interface OrientationResults {
  get_best_result(): { get_orientation_id(): number };
}

/** A decoded picture, as Leptonica keeps it. */
interface Picture {
  get_h(): number;
  /** Bits per pixel. */
  get_d(): number;
  /** Samples per pixel: 4 with transparency. */
  get_spp(): number;
  /** Words of 32 bits per line. */
  get_wpl(): number;
  /** Address of the first line. */
  get_data(): number;
}

/** One instance of the WebAssembly module. */
export interface Tesseract {
  writeFile(path: string, bytes: Uint8Array): void;
  createApi(): TesseractApi;
  /** Quarter turns clockwise that set the picture upright; 0 also where the page has too little text to tell. */
  detectTurns(api: TesseractApi): number;
  /** Puts the picture that `api` has decoded on white paper, where it is transparent. */
  layOnWhite(api: TesseractApi): void;
  heapBytes(): number;
  /** True once the module asked for more memory than it may have. */
  ranOut(): boolean;
}

interface Module {
  FS: { writeFile(path: string, bytes: Uint8Array): void };
  TessBaseAPI: new () => TesseractApi;
  OSResults: new () => OrientationResults;
  destroy(object: unknown): void;
}

interface Settings {
  print(line: string): void;
  printErr(line: string): void;
  instantiateWasm(
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
  ): object;
  TesseractProgress(percent: number): void;
}

/** Builds an instance from the bytes of the module. */
export async function createTesseract(
  binary: Uint8Array,
  onProgress: (share: number) => void,
): Promise<Tesseract> {
  const create = createRequire(import.meta.url)(GLUE) as (settings: Settings) => Promise<Module>;
  const compiled = await WebAssembly.compile(binary as Uint8Array<ArrayBuffer>);
  let memory: WebAssembly.Memory | undefined;
  let ranOut = false;
  const module = await create({
    print: () => undefined,
    printErr: () => undefined,
    instantiateWasm(imports, done) {
      const instance = new WebAssembly.Instance(compiled, imports);
      memory = Object.values(instance.exports).find((value) => value instanceof WebAssembly.Memory);
      if (memory !== undefined) {
        noteRefusals(memory, () => {
          ranOut = true;
        });
      }
      done(instance, compiled);
      return {};
    },
    TesseractProgress(percent) {
      onProgress(Math.min(1, Math.max(0, (percent - FIRST_PERCENT) / (100 - FIRST_PERCENT))));
    },
  });
  return {
    writeFile: (path, bytes) => module.FS.writeFile(path, bytes),
    createApi: () => new module.TessBaseAPI(),
    detectTurns(api) {
      const results = new module.OSResults();
      const turns = api.DetectOS(results) ? results.get_best_result().get_orientation_id() : 0;
      module.destroy(results);
      return (4 - turns) % 4;
    },
    layOnWhite(api) {
      const picture = api.GetInputImage();
      if (picture.get_d() !== 32 || picture.get_spp() !== 4 || memory === undefined) return;
      const words = picture.get_wpl() * picture.get_h();
      blendWithWhite(new Uint32Array(memory.buffer, picture.get_data(), words));
    },
    heapBytes: () => memory?.buffer.byteLength ?? 0,
    ranOut: () => ranOut,
  };
}

/** A pixel is red, green, blue and alpha, from the highest byte down. */
function blendWithWhite(pixels: Uint32Array): void {
  for (let i = 0; i < pixels.length; i += 1) {
    const pixel = pixels[i] as number;
    const alpha = pixel & 255;
    if (alpha === 255) continue;
    const blend = (shift: number) => 255 - Math.round(((255 - ((pixel >>> shift) & 255)) * alpha) / 255);
    pixels[i] = ((blend(24) << 24) | (blend(16) << 16) | (blend(8) << 8) | 255) >>> 0;
  }
}

/**
 * The glue code swallows a refusal to grow; its caller gets a null pointer and may carry on. It asks three times,
 * each time for a smaller reserve, before it gives up.
 */
function noteRefusals(memory: WebAssembly.Memory, gaveUp: () => void): void {
  const grow = memory.grow.bind(memory);
  let refusals = 0;
  memory.grow = (pages) => {
    try {
      const before = grow(pages);
      refusals = 0;
      return before;
    } catch (error) {
      refusals += 1;
      if (refusals === GROW_ATTEMPTS) gaveUp();
      throw error;
    }
  };
}
