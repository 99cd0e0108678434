import { inflateSync } from "node:zlib";
import UTIF, { type IFD } from "utif2";
import { DocumentFault } from "../../errors.ts";
import { jpegHeader } from "./jpeg.ts";
import { checkSize, undecodable } from "./size.ts";
import { TAG, type TiffPage } from "./tiff-directory.ts";

const NONE = 1;
const LZW = 5;
const JPEG = 7;
const DEFLATE = [8, 32946];
const PACK_BITS = 32773;
const IN_STRIPS = [JPEG, ...DEFLATE];
const IN_TILES = [NONE, LZW, PACK_BITS, ...IN_STRIPS];
const INTERLEAVED = 1;

/** Whether the page is in a form that the decoder of the text recognition does not know: deflated, JPEG or tiles. */
export function needsDecoding({ tags }: TiffPage): boolean {
  return tags.has(TAG.tileWidth) || IN_STRIPS.includes(first(tags, TAG.compression, NONE));
}

/**
 * Decodes a page for which `needsDecoding` holds into a grey picture (PGM). The size of the page has been checked.
 *
 * @throws DocumentFault DOCUMENT_CORRUPT if it is damaged, UNSUPPORTED_MEDIA_TYPE if its form is not known here either
 */
export function decodePage(bytes: Buffer, { tags }: TiffPage, maxPixels: number): Buffer {
  const layout = layoutOf(tags);
  const { compression, parts } = layout;
  if (parts.some(({ offset, length }) => offset + length > bytes.length)) throw undecodable();
  if (parts.reduce((sum, part) => sum + part.length, 0) > bytes.length) throw undecodable();
  const ifd = Object.fromEntries(
    [...tags].map(([tag, values]) => [`t${tag}`, [...values]]),
  ) as unknown as IFD;
  try {
    if (compression === JPEG) {
      for (const { offset, length } of parts) {
        const header = jpegHeader(bytes.subarray(offset, offset + length));
        if (header === undefined) throw undecodable();
        checkSize(header, maxPixels);
      }
    }
    const source = DEFLATE.includes(compression) ? inflateParts(bytes, layout, ifd) : bytes;
    UTIF.decodeImage(source, ifd);
    const grey = toGrey(UTIF.toRGBA8(ifd));
    return Buffer.concat([Buffer.from(`P5\n${ifd.width} ${ifd.height}\n255\n`, "latin1"), grey]);
  } catch (error) {
    throw error instanceof DocumentFault ? error : undecodable(error);
  }
}

interface Layout {
  compression: number;
  tiled: boolean;
  /** Strips or tiles, in their order. */
  parts: { offset: number; length: number }[];
  /** Bytes of one of them when it is unpacked. */
  partBytes: number;
}

function layoutOf(tags: TiffPage["tags"]): Layout {
  const compression = first(tags, TAG.compression, NONE);
  const tiled = tags.has(TAG.tileWidth);
  const samples = first(tags, TAG.samples, 1);
  const bits = first(tags, TAG.bits, 1);
  const known = (tiled ? IN_TILES : IN_STRIPS).includes(compression);
  if (!known || (samples > 1 && first(tags, TAG.planes, INTERLEAVED) !== INTERLEAVED) || bits > 16) {
    throw new DocumentFault(
      "UNSUPPORTED_MEDIA_TYPE",
      `This TIFF is in a form that is not read (compression ${compression}, ${bits} bits); save it with LZW or Group 4.`,
    );
  }
  const [width, height] = [first(tags, TAG.width, 0), first(tags, TAG.height, 0)];
  const columns = tiled ? first(tags, TAG.tileWidth, 0) : width;
  const rows = tiled
    ? first(tags, TAG.tileHeight, 0)
    : Math.min(height, first(tags, TAG.rowsPerStrip, height));
  const offsets = tags.get(tiled ? TAG.tileOffsets : TAG.stripOffsets) ?? [];
  const lengths = tags.get(tiled ? TAG.tileBytes : TAG.stripBytes) ?? [];
  const wanted = Math.ceil(width / columns) * Math.ceil(height / rows);
  // A part of more than the picture is only made to fill memory; tiles at the edges reach a little beyond it.
  const tooMuch = columns > 2 * width + 1024 || rows > 2 * height + 1024;
  if (!(wanted >= 1) || offsets.length < wanted || lengths.length < wanted || tooMuch) throw undecodable();
  const parts = offsets.slice(0, wanted).map((offset, i) => ({ offset, length: lengths[i] ?? 0 }));
  return { compression, tiled, parts, partBytes: rows * Math.ceil((columns * bits * samples) / 8) };
}

/** Unpacks deflated parts into a buffer of their own, and makes `ifd` say so. */
function inflateParts(bytes: Buffer, { parts, partBytes, tiled }: Layout, ifd: IFD): Buffer {
  // What is decoded begins with the byte order.
  const unpacked: Uint8Array[] = [bytes.subarray(0, 4)];
  const offsets: number[] = [];
  const lengths: number[] = [];
  let at = 4;
  for (const { offset, length } of parts) {
    const part = inflateSync(bytes.subarray(offset, offset + length), { maxOutputLength: partBytes });
    unpacked.push(part);
    offsets.push(at);
    lengths.push(part.length);
    at += part.length;
  }
  const [offsetTag, lengthTag] = tiled
    ? [TAG.tileOffsets, TAG.tileBytes]
    : [TAG.stripOffsets, TAG.stripBytes];
  Object.assign(ifd, {
    [`t${TAG.compression}`]: [NONE],
    [`t${offsetTag}`]: offsets,
    [`t${lengthTag}`]: lengths,
  });
  return Buffer.concat(unpacked);
}

/** Luminance on white paper. */
function toGrey(rgba: Uint8Array): Uint8Array {
  const grey = new Uint8Array(rgba.length / 4);
  for (let i = 0, at = 0; i < grey.length; i += 1, at += 4) {
    const [red, green, blue, alpha] = [
      rgba[at] ?? 0,
      rgba[at + 1] ?? 0,
      rgba[at + 2] ?? 0,
      rgba[at + 3] ?? 0,
    ];
    const light = 0.299 * red + 0.587 * green + 0.114 * blue;
    grey[i] = 255 - ((255 - light) * alpha) / 255;
  }
  return grey;
}

function first(tags: TiffPage["tags"], tag: number, otherwise: number): number {
  return tags.get(tag)?.[0] ?? otherwise;
}
