import { fileTypeFromBuffer } from "file-type";
import { detectCompound, detectZip } from "./detect-container.ts";
import { detectText } from "./detect-text.ts";
import { decodeText, detectEncoding } from "./encoding.ts";
import { DocumentFault } from "./errors.ts";
import { MEDIA, typesByDeclaration, typesByName } from "./media-types.ts";
import type { Warning } from "./model.ts";

/** What is known of a document before it is read. */
export interface DetectInput {
  /** The first bytes, best 64 KiB or more (`DETECT_HEAD_BYTES`); all of a smaller document. */
  head: Uint8Array;
  /** The document on the local disk; containers are looked into. */
  path: string;
  size: number;
  /** As the client named it, possibly empty. */
  filename: string;
  /** As the client declared it, possibly empty. */
  declaredMediaType: string;
}

export interface Detection {
  /** Without parameters; `application/octet-stream` if nothing is recognized. */
  mediaType: string;
  /** Character set, for text formats. */
  encoding?: string;
  /** `MEDIA_TYPE_MISMATCH` when name or declaration promise something else. */
  warnings: Warning[];
}

/** How much of a document detection wants to see. */
export const DETECT_HEAD_BYTES = 64 * 1024;

/**
 * Tells what a document is by its content. The name decides only between plain text, CSV and Markdown.
 * @throws DocumentFault `DOCUMENT_EMPTY` if there are no bytes
 */
export async function detectMediaType(input: DetectInput): Promise<Detection> {
  if (input.size === 0 || input.head.length === 0) {
    throw new DocumentFault(
      "DOCUMENT_EMPTY",
      "The document has no bytes; check that the upload was complete.",
    );
  }
  const head = Buffer.from(input.head.buffer, input.head.byteOffset, input.head.length);
  const found = (await binaryType(head, input)) ?? textType(head, input);
  return { ...found, warnings: mismatches(found.mediaType, input) };
}

/** `II*` and `MM*`, and the same of BigTIFF. */
const TIFF_MARKS: ReadonlySet<number> = new Set([0x49492a00, 0x4d4d002a, 0x49492b00, 0x4d4d002b]);

type Found = Omit<Detection, "warnings">;

async function binaryType(head: Buffer, input: DetectInput): Promise<Found | undefined> {
  // Readers of PDF accept some bytes before the mark; a text that only mentions it has it later in the line.
  if (/(?:^|[^\x20-\x7e])%PDF-\d/.test(head.toString("latin1", 0, 1024))) return { mediaType: MEDIA.pdf };
  // RTF may hold bytes of any kind, but begins with plain letters.
  if (/^\s*\{\\rtf/.test(head.toString("latin1", 0, 64))) return { mediaType: MEDIA.rtf };
  if (head.length < 4) return undefined;
  const magic = head.readUInt32BE(0);
  if (magic === 0x504b0304 || magic === 0x504b0506 || magic === 0x504b0708) {
    return { mediaType: await detectZip(input.path) };
  }
  if (head.subarray(0, 8).equals(Buffer.from("d0cf11e0a1b11ae1", "hex"))) {
    return { mediaType: await detectCompound(input.path, input.filename) };
  }
  const known = await fileTypeFromBuffer(head).catch(() => undefined);
  // The directory that tells a TIFF from a camera's own format may lie behind the head.
  const mime = known?.mime.split(";")[0] ?? (TIFF_MARKS.has(magic) ? MEDIA.tiff : undefined);
  // Texts are this module's own business, and some of the short marks (audio, fonts) also start plain texts.
  if (!mime || /^text\/|xml|rtf|^message\//.test(mime) || detectEncoding(head, true) !== undefined)
    return undefined;
  return { mediaType: mime };
}

function textType(head: Buffer, input: DetectInput): Found {
  const cut = input.size > head.length;
  const encoding = detectEncoding(head, cut);
  if (encoding === undefined) return { mediaType: MEDIA.binary };
  const { text } = decodeText(head, encoding);
  return { mediaType: detectText(text, input.filename, cut), encoding };
}

function mismatches(mediaType: string, input: DetectInput): Warning[] {
  const name = typesByName(input.filename);
  const declared = typesByDeclaration(input.declaredMediaType);
  const warn = (what: string, promised: string): Warning => ({
    code: "MEDIA_TYPE_MISMATCH",
    message: `The ${what} promises ${promised}, but the content is ${mediaType}; it was read by its content.`,
  });
  const warnings: Warning[] = [];
  if (name.length > 0 && !name.includes(mediaType)) warnings.push(warn("file name", name[0] ?? ""));
  if (declared.length > 0 && !declared.includes(mediaType)) {
    warnings.push(warn("declared media type", declared[0] ?? ""));
  }
  return warnings;
}
