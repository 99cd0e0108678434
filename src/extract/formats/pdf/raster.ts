import type { Engine } from "./engine.ts";

const POINTS_PER_INCH = 72;
/** What Tesseract was made for. */
const DPI = 300;
/** An A3 page at 300 dpi has 17.4 million; larger pages get fewer dots an inch. */
const MAX_PIXELS = 20_000_000;
const GREY = 1;
const GREYSCALE = 0x08;
const WHITE = 0xffffffff;

/** A page as a grey picture. */
export interface Raster {
  /** PGM. */
  picture: Buffer;
  dpi: number;
}

/** Draws a loaded page at 300 dots an inch, or fewer if that would be more than `maxPixels`; nothing if it cannot. */
export function rasterize(engine: Engine, page: number, maxPixels: number): Raster | undefined {
  const inches = (name: string) => engine.fn(name)(page) / POINTS_PER_INCH;
  const [across, down] = [inches("FPDF_GetPageWidthF"), inches("FPDF_GetPageHeightF")];
  if (!(across > 0 && down > 0)) return undefined;
  const dpi = Math.min(DPI, Math.sqrt(Math.min(MAX_PIXELS, maxPixels) / (across * down)));
  const [width, height] = [Math.max(1, Math.floor(across * dpi)), Math.max(1, Math.floor(down * dpi))];
  const bitmap = engine.fn("FPDFBitmap_CreateEx")(width, height, GREY, 0, 0);
  if (bitmap === 0) return undefined;
  try {
    engine.fn("FPDFBitmap_FillRect")(bitmap, 0, 0, width, height, WHITE);
    engine.fn("FPDF_RenderPageBitmap")(bitmap, page, 0, 0, width, height, 0, GREYSCALE);
    const stride = engine.fn("FPDFBitmap_GetStride")(bitmap);
    const lines = engine.take(engine.fn("FPDFBitmap_GetBuffer")(bitmap), stride * height);
    return { picture: toPgm(lines, stride, width, height), dpi: Math.round(dpi) };
  } finally {
    engine.fn("FPDFBitmap_Destroy")(bitmap);
  }
}

function toPgm(lines: Uint8Array, stride: number, width: number, height: number): Buffer {
  const head = Buffer.from(`P5\n${width} ${height}\n255\n`, "latin1");
  const pgm = Buffer.alloc(head.length + width * height);
  pgm.set(head);
  for (let y = 0; y < height; y += 1) {
    pgm.set(lines.subarray(y * stride, y * stride + width), head.length + y * width);
  }
  return pgm;
}
