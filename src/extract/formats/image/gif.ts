import type { ImageHeader } from "./size.ts";

const EXTENSION = 0x21;
const IMAGE = 0x2c;
const TRAILER = Buffer.from([0x3b]);

/** Size and bytes of the first picture of a GIF: decoders would unpack all of an animation. */
export function gifHeader(bytes: Buffer): ImageHeader | undefined {
  if (bytes.length < 13) return undefined;
  const screen = { width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) };
  let at = 13 + colourTable(bytes.readUInt8(10));
  while (bytes[at] === EXTENSION) {
    const next = skipBlocks(bytes, at + 2);
    if (next === undefined) return undefined;
    at = next;
  }
  if (bytes[at] !== IMAGE || at + 10 > bytes.length) return undefined;
  const width = Math.max(screen.width, bytes.readUInt16LE(at + 5));
  const height = Math.max(screen.height, bytes.readUInt16LE(at + 7));
  const end = skipBlocks(bytes, at + 11 + colourTable(bytes.readUInt8(at + 9)));
  const whole = end === undefined ? bytes : Buffer.concat([bytes.subarray(0, end), TRAILER]);
  return { width, height, orientation: 1, first: whole };
}

function colourTable(flags: number): number {
  return (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1);
}

/** Where the chain of blocks that begins at `at` ends; nothing if it has no end. */
function skipBlocks(bytes: Buffer, at: number): number | undefined {
  let next = at;
  while (next < bytes.length) {
    const length = bytes[next] ?? 0;
    next += length + 1;
    if (length === 0) return next;
  }
  return undefined;
}
