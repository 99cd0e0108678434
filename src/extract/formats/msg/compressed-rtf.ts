import { DocumentFault } from "../../errors.ts";

/** What the dictionary holds before the first byte; fixed by [MS-OXRTFCP]. */
const PRESET =
  "{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
const DICTIONARY_BYTES = 4096;
const COMPRESSED = 0x75465a4c;
const STORED = 0x414c454d;

/**
 * Unpacks the RTF body of an Outlook message. A run is at most 17 bytes for two, so it cannot grow without end.
 * @throws DocumentFault `DOCUMENT_CORRUPT` if it is neither packed nor stored RTF
 */
export function unpackRtf(packed: Buffer): Buffer {
  const kind = packed.length >= 16 ? packed.readUInt32LE(8) : 0;
  if (kind === STORED) return packed.subarray(16);
  if (kind !== COMPRESSED) {
    throw new DocumentFault("DOCUMENT_CORRUPT", "The formatted body of the message is damaged.");
  }
  const dictionary = Buffer.alloc(DICTIONARY_BYTES, " ");
  let write = dictionary.write(PRESET, "latin1");
  const out = Buffer.alloc(Math.min(packed.readUInt32LE(4), packed.length * 9));
  let length = 0;
  const put = (byte: number) => {
    dictionary[write] = byte;
    write = (write + 1) % DICTIONARY_BYTES;
    if (length < out.length) out[length++] = byte;
  };
  for (let at = 16; at < packed.length; ) {
    const flags = packed[at++] ?? 0;
    for (let bit = 0; bit < 8 && at < packed.length; bit++) {
      if ((flags & (1 << bit)) === 0) {
        put(packed[at++] ?? 0);
        continue;
      }
      const reference = ((packed[at] ?? 0) << 8) | (packed[at + 1] ?? 0);
      at += 2;
      const from = reference >> 4;
      if (from === write) return out.subarray(0, length);
      const count = (reference & 0x0f) + 2;
      for (let i = 0; i < count; i++) put(dictionary[(from + i) % DICTIONARY_BYTES] ?? 0);
    }
  }
  return out.subarray(0, length);
}
