import { DocumentFault } from "../../errors.ts";
import type { DocumentProperties, Json } from "../../model.ts";
import { isoDate } from "./dates.ts";
import type { Engine } from "./engine.ts";

const PASSWORD_ERROR = 4;
const SECURITY_ERROR = 5;
const ACTION_URI = 3;
const MAX_LINKS = 10_000;
const MAX_META_CHARACTERS = 4_096;

/** An open document; `close` frees it. */
export interface OpenDocument {
  handle: number;
  pageCount: number;
  tagged: boolean;
  close(): void;
}

/**
 * Opens a document from its bytes.
 *
 * @throws DocumentFault DOCUMENT_ENCRYPTED when the password is missing or wrong, DOCUMENT_CORRUPT when it is no
 * readable PDF or has no page, DOCUMENT_TOO_LARGE when it does not fit into the memory of the parser
 */
export function openDocument(engine: Engine, bytes: Uint8Array, password: string | undefined): OpenDocument {
  const address = engine.put(bytes);
  if (address === 0) {
    throw new DocumentFault(
      "DOCUMENT_TOO_LARGE",
      `This PDF has ${bytes.byteLength} bytes, more than the PDF reader can hold in memory; split it and send the parts.`,
    );
  }
  let handle = 0;
  try {
    handle = engine.loadDocument(address, bytes.byteLength, password ?? "");
    if (handle === 0) throw openFault(engine.fn("FPDF_GetLastError")(), password);
    const pageCount = engine.fn("FPDF_GetPageCount")(handle);
    if (pageCount <= 0) {
      throw new DocumentFault(
        "DOCUMENT_CORRUPT",
        "This PDF has no pages; export or save it again and send the new file.",
      );
    }
    const document = handle;
    return {
      handle: document,
      pageCount,
      tagged: engine.fn("FPDFCatalog_IsTagged")(document) !== 0,
      close() {
        engine.fn("FPDF_CloseDocument")(document);
        engine.free(address);
      },
    };
  } catch (error) {
    if (error instanceof DocumentFault) {
      if (handle !== 0) engine.fn("FPDF_CloseDocument")(handle);
      engine.free(address);
    }
    throw error;
  }
}

function openFault(code: number, password: string | undefined): DocumentFault {
  if (code === PASSWORD_ERROR) {
    return password === undefined || password === ""
      ? new DocumentFault(
          "DOCUMENT_ENCRYPTED",
          "This PDF is encrypted and needs a password to open; send it in the option `password`.",
        )
      : new DocumentFault(
          "DOCUMENT_ENCRYPTED",
          "This PDF is encrypted and the given password does not open it; send the right one in the option `password`.",
        );
  }
  if (code === SECURITY_ERROR) {
    return new DocumentFault(
      "DOCUMENT_ENCRYPTED",
      "This PDF is encrypted by a method that cannot be opened here; send a copy without encryption.",
    );
  }
  return new DocumentFault(
    "DOCUMENT_CORRUPT",
    "This file is not a readable PDF: it is cut short or damaged; send it again from the original.",
  );
}

/** What the document's information dictionary says; dates as ISO 8601. */
export function readProperties(engine: Engine, document: OpenDocument): DocumentProperties {
  const meta = (key: string) => engine.metaText(document.handle, key).trim().slice(0, MAX_META_CHARACTERS);
  const properties: DocumentProperties = { pageCount: document.pageCount };
  const [title, author, subject, keywords] = [
    meta("Title"),
    meta("Author"),
    meta("Subject"),
    meta("Keywords"),
  ];
  if (title !== "") properties.title = title;
  if (author !== "") properties.authors = splitList(author, /\s*;\s*/u);
  if (subject !== "") properties.subject = subject;
  if (keywords !== "") properties.keywords = splitList(keywords, /\s*[;,]\s*/u);
  const created = isoDate(meta("CreationDate"));
  const modified = isoDate(meta("ModDate"));
  if (created !== undefined) properties.created = created;
  if (modified !== undefined) properties.modified = modified;

  const extra: { [key: string]: Json } = {};
  if (meta("Producer") !== "") extra.producer = meta("Producer");
  if (meta("Creator") !== "") extra.creator = meta("Creator");
  if (engine.fn("FPDF_GetFileVersion")(document.handle, engine.scratch) !== 0) {
    const version = engine.u32(engine.scratch);
    extra.pdfVersion = `${Math.floor(version / 10)}.${version % 10}`;
  }
  if (document.tagged) extra.tagged = true;
  properties.extra = extra;
  return properties;
}

function splitList(value: string, separator: RegExp): string[] {
  return [...new Set(value.split(separator).filter((part) => part !== ""))];
}

/** Adds the addresses that the page's link annotations lead to, in their order, to `links`; at most 10,000 in all. */
export function readLinks(engine: Engine, document: OpenDocument, page: number, links: Set<string>): void {
  const enumerate = engine.fn("FPDFLink_Enumerate");
  const memory = engine.put(new Uint8Array(8));
  if (memory === 0) return;
  try {
    for (let seen = 0; seen < MAX_LINKS && links.size < MAX_LINKS; seen += 1) {
      if (enumerate(page, memory, memory + 4) === 0) break;
      const action = engine.fn("FPDFLink_GetAction")(engine.u32(memory + 4));
      if (action === 0 || engine.fn("FPDFAction_GetType")(action) !== ACTION_URI) continue;
      const uri = engine.utf8((at, size) =>
        engine.fn("FPDFAction_GetURIPath")(document.handle, action, at, size),
      );
      if (/^(?:https?|ftp|mailto|tel):/iu.test(uri)) links.add(uri);
    }
  } finally {
    engine.free(memory);
  }
}
