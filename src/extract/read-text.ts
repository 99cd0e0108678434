import { readFile } from "node:fs/promises";
import { decodeText } from "./encoding.ts";
import { DocumentFault } from "./errors.ts";
import type { ExtractInput } from "./extractor.ts";

/** What formats that need the whole text at once can hold in memory. */
const MAX_TEXT_BYTES = 256 * 1024 * 1024;

/**
 * The document's text, decoded; line ends are `\n`.
 * @throws DocumentFault `DOCUMENT_TOO_LARGE` beyond the byte limit, `DOCUMENT_EMPTY`
 */
export async function readText(input: ExtractInput): Promise<{ text: string; encoding: string }> {
  const bytes = await readBytes(input);
  const { text, encoding } = decodeText(bytes, input.encoding);
  return { text: text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text, encoding };
}

/** The document's bytes, within the limits; see `readText`. */
export async function readBytes(input: ExtractInput): Promise<Buffer> {
  const most = Math.min(input.limits.maxInputBytes, MAX_TEXT_BYTES);
  if (input.size > most) {
    throw new DocumentFault(
      "DOCUMENT_TOO_LARGE",
      `The document has ${input.size} bytes; ${most} are allowed for its type.`,
    );
  }
  const bytes = await readFile(input.path, { signal: input.signal });
  if (bytes.length === 0) {
    throw new DocumentFault(
      "DOCUMENT_EMPTY",
      "The document has no bytes; check that the upload was complete.",
    );
  }
  return bytes;
}
