import { DocumentFault } from "../../errors.ts";
import type { ImageHeader } from "./size.ts";

const ANIMATED = 0x02;

/**
 * @throws DocumentFault UNSUPPORTED_MEDIA_TYPE for an animation
 */
export function webpHeader(bytes: Buffer): ImageHeader | undefined {
  if (bytes.length < 30) return undefined;
  switch (bytes.toString("latin1", 12, 16)) {
    case "VP8 ":
      return {
        width: bytes.readUInt16LE(26) & 0x3fff,
        height: bytes.readUInt16LE(28) & 0x3fff,
        orientation: 1,
      };
    case "VP8L": {
      const bits = bytes.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1, orientation: 1 };
    }
    case "VP8X":
      if ((bytes.readUInt8(20) & ANIMATED) !== 0) {
        throw new DocumentFault(
          "UNSUPPORTED_MEDIA_TYPE",
          "Animated WebP pictures are not read; send the pictures one by one.",
        );
      }
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1, orientation: 1 };
    default:
      return undefined;
  }
}
