import type { ImageHeader } from "./size.ts";

/** Windows bitmaps; a negative height means that the first line is the upper one. */
export function bmpHeader(bytes: Buffer): ImageHeader | undefined {
  if (bytes.length < 26) return undefined;
  if (bytes.readUInt32LE(14) === 12) {
    return { width: bytes.readUInt16LE(18), height: bytes.readUInt16LE(20), orientation: 1 };
  }
  return { width: bytes.readInt32LE(18), height: Math.abs(bytes.readInt32LE(22)), orientation: 1 };
}
