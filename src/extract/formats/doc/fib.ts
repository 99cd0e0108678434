import iconv from "iconv-lite";
import { type CompoundFile, streamOf } from "../../compound.ts";
import { detectEncoding } from "../../encoding.ts";
import { DocumentFault } from "../../errors.ts";

/** A stretch of text and where its bytes lie in the main stream. */
export interface Piece {
  /** Character positions in the document, the end not inside. */
  start: number;
  end: number;
  offset: number;
  /** One byte a character instead of two. */
  isNarrow: boolean;
}

/** The parts of a Word document that follow each other in its text, in characters. */
export interface TextParts {
  main: number;
  footnotes: number;
  headers: number;
  comments: number;
  endnotes: number;
  boxes: number;
}

/** The binary base of a Word document. */
export interface WordFile {
  main: Buffer;
  table: Buffer;
  /** The bytes of structure `index` of the file's table of structures; empty if it has none. */
  structure(index: number): Buffer;
  pieces: Piece[];
  text: string;
  parts: TextParts;
}

const FIRST_STRUCTURE = 0x9a;
const CLX = 33;
/** The format of Word 97, the first with Unicode. */
const WORD_97 = 0xc1;
const MAX_CHARACTERS = 128 * 1024 * 1024;

export const broken = (cause?: unknown) =>
  new DocumentFault(
    "DOCUMENT_CORRUPT",
    "The Word document is damaged; open it in a word processor, save it again and send that.",
    cause,
  );

/**
 * Reads the head of a Word document and its text.
 * @throws DocumentFault `DOCUMENT_ENCRYPTED`, `DOCUMENT_CORRUPT`
 */
export function openWord(file: CompoundFile): WordFile {
  const main = streamOf(file, "WordDocument");
  if (main === undefined || main.length < 0x60) throw broken();
  const flags = main.readUInt16LE(10);
  if ((flags & 0x100) !== 0) {
    throw new DocumentFault(
      "DOCUMENT_ENCRYPTED",
      "The Word document is encrypted with a password; save it without one and send it again.",
    );
  }
  if (main.readUInt16LE(2) < WORD_97) return oldWord(main, (flags & 4) !== 0);
  const table = streamOf(file, (flags & 0x200) !== 0 ? "1Table" : "0Table");
  if (table === undefined || main.length < FIRST_STRUCTURE + (CLX + 1) * 8) throw broken();
  const structure = (index: number) => {
    const at = FIRST_STRUCTURE + index * 8;
    if (at + 8 > main.length) return Buffer.alloc(0);
    const start = main.readUInt32LE(at);
    return table.subarray(start, start + main.readUInt32LE(at + 4));
  };
  const length = (at: number) => Math.max(0, main.readInt32LE(at));
  const pieces = readPieces(structure(CLX));
  return {
    main,
    table,
    structure,
    pieces,
    text: textOfPieces(main, pieces),
    parts: {
      main: length(0x4c),
      footnotes: length(0x50),
      headers: length(0x54),
      comments: length(0x5c),
      endnotes: length(0x60),
      boxes: length(0x64),
    },
  };
}

/** Word 6 and 95: one stretch of text of one byte a character, without what came later. */
function oldWord(main: Buffer, isComplex: boolean): WordFile {
  if (isComplex) {
    throw new DocumentFault(
      "UNSUPPORTED_MEDIA_TYPE",
      "The document was fast-saved by a Word older than Word 97; save it again in a newer format.",
    );
  }
  const offset = main.readUInt32LE(0x18);
  const end = Math.min(main.length, main.readUInt32LE(0x1c));
  if (offset >= end) throw broken();
  const pieces = [{ start: 0, end: end - offset, offset, isNarrow: true }];
  return {
    main,
    table: Buffer.alloc(0),
    structure: () => Buffer.alloc(0),
    pieces,
    // Nothing in these files says which code page they are in.
    text: textOfPieces(main, pieces, detectEncoding(main.subarray(offset, end), true)),
    parts: { main: end - offset, footnotes: 0, headers: 0, comments: 0, endnotes: 0, boxes: 0 },
  };
}

function readPieces(clx: Buffer): Piece[] {
  let at = 0;
  while (clx[at] === 1) at += 3 + clx.readUInt16LE(at + 1);
  if (clx[at] !== 2) throw broken();
  const plc = clx.subarray(at + 5, at + 5 + clx.readUInt32LE(at + 1));
  const count = Math.floor((plc.length - 4) / 12);
  const pieces: Piece[] = [];
  for (let i = 0; i < count; i++) {
    const start = plc.readUInt32LE(i * 4);
    const end = plc.readUInt32LE(i * 4 + 4);
    const fc = plc.readUInt32LE((count + 1) * 4 + i * 8 + 2);
    const isNarrow = (fc & 0x40000000) !== 0;
    const offset = isNarrow ? (fc & 0x3fffffff) / 2 : fc & 0x3fffffff;
    if (end < start || start !== (pieces.at(-1)?.end ?? 0)) throw broken();
    pieces.push({ start, end, offset, isNarrow });
  }
  return pieces;
}

function textOfPieces(main: Buffer, pieces: readonly Piece[], encoding = "windows-1252"): string {
  const parts: string[] = [];
  for (const { start, end, offset, isNarrow } of pieces) {
    const bytes = (end - start) * (isNarrow ? 1 : 2);
    // Pieces may overlap, so the size of the file does not bound the text.
    if (end > MAX_CHARACTERS || offset + bytes > main.length) throw broken();
    const raw = main.subarray(offset, offset + bytes);
    parts.push(isNarrow ? iconv.decode(raw, encoding) : raw.toString("utf16le"));
  }
  return parts.join("");
}
