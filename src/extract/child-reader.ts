import { createHash } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DETECT_HEAD_BYTES, detectMediaType } from "./detect.ts";
import { DocumentFault } from "./errors.ts";
import type { ChildResult, ChildSource, ExtractInput, Extractor } from "./extractor.ts";
import type { ChildDocument } from "./model.ts";
import { renderText } from "./render.ts";

/** Documents within documents are read to this depth; mails and archives in earnest use two or three. */
const MAX_CHILD_DEPTH = 8;
const MAX_NAME_CHARACTERS = 400;

/** What all documents within one document share. */
interface Budget {
  children: number;
  /** Bytes that may still be unpacked, and written to be read. */
  inflated: number;
  written: number;
  characters: number;
}

type Load = (mediaType: string) => Promise<Extractor>;

/**
 * The extractor with the means to read the documents within its document: each detected and read like one of
 * its own, all of them together within the limits of the one that was sent.
 */
export function readingChildren(extractor: Extractor, load: Load): Extractor {
  return {
    ...extractor,
    extract(input) {
      const { limits } = input;
      const budget: Budget = {
        children: limits.maxMembers,
        inflated: limits.maxInflatedBytes,
        written: limits.maxInflatedBytes,
        characters: limits.maxOutputCharacters,
      };
      const onInflated = (bytes: number) => {
        budget.inflated -= bytes;
        limits.onInflated?.(bytes);
      };
      const whole = { ...input, limits: { ...limits, onInflated } };
      return extractor.extract({ ...whole, readChild: childReader(whole, 1, budget, load) });
    },
  };
}

function childReader(parent: ExtractInput, depth: number, budget: Budget, load: Load) {
  return async (source: ChildSource): Promise<ChildResult> => {
    const name = nameOf(source.name);
    const facts: ChildDocument = { name, mediaType: source.mediaType, sizeBytes: source.sizeBytes };
    const refuse = (reason: string, skipped: string): ChildResult => ({
      facts: { ...facts, status: "SKIPPED", reason, skipped },
    });
    parent.signal.throwIfAborted();
    if (depth > Math.min(MAX_CHILD_DEPTH, parent.limits.maxDepth)) {
      return refuse("LIMIT_EXCEEDED", "It lies too deep inside other documents.");
    }
    if (budget.children <= 0)
      return refuse("LIMIT_EXCEEDED", "There are too many documents inside this one.");
    budget.children -= 1;
    // By its number: names are part of what a document says, and progress is shown before any stage could redact it.
    const place = `document ${parent.limits.maxMembers - budget.children} inside`;
    parent.progress(0, 0, place);
    try {
      return await readChild(source, facts, { parent, depth, budget, load, place });
    } catch (error) {
      if (parent.signal.aborted || isOutOfMemory(error)) throw error;
      const isFault = error instanceof DocumentFault;
      const reason = isFault ? error.reason : "STAGE_FAILED";
      const message = isFault ? error.message : "It could not be read.";
      const hasNothing = reason === "UNSUPPORTED_MEDIA_TYPE" || reason === "DOCUMENT_EMPTY";
      const status = hasNothing ? "SKIPPED" : "FAILED";
      return { facts: { ...facts, status, reason, skipped: message } };
    }
  };
}

interface Around {
  parent: ExtractInput;
  depth: number;
  budget: Budget;
  load: Load;
  /** What its progress calls it. */
  place: string;
}

async function readChild(
  source: ChildSource,
  facts: ChildDocument,
  { parent, depth, budget, load, place }: Around,
): Promise<ChildResult> {
  const inputOf = (own: Pick<ExtractInput, "path" | "size" | "mediaType" | "filename">): ExtractInput => {
    const limits = {
      ...parent.limits,
      maxInflatedBytes: Math.max(0, budget.inflated),
      maxOutputCharacters: Math.max(0, budget.characters),
    };
    const { encoding: _encoding, ...rest } = parent;
    const input = {
      ...rest,
      ...own,
      limits,
      progress: (_done: number, _total: number, within?: string) =>
        parent.progress(0, 0, within === undefined ? place : `${place}: ${within}`),
    };
    return { ...input, readChild: childReader(input, depth + 1, budget, load) };
  };
  const take = async (extractor: Pick<Extractor, "extract">, input: ExtractInput): Promise<ChildResult> => {
    const extracted = await extractor.extract(input);
    budget.characters -= renderText(extracted.blocks).text.length;
    return { facts: { ...facts, status: "READ" }, extracted };
  };

  if (typeof source.content === "function") {
    const { path, size } = parent;
    return await take(
      { extract: source.content },
      inputOf({ path, size, mediaType: facts.mediaType, filename: facts.name }),
    );
  }
  // Beside the document that was sent: the only place where this process may write.
  const folder = await mkdtemp(join(dirname(parent.path), "child-"));
  try {
    const path = join(folder, "document");
    const { head, size, sha256 } = await store(source.content, path, parent, budget);
    facts.sizeBytes = size;
    facts.sha256 = sha256;
    const detected = await detectMediaType({ head, path, size, filename: facts.name, declaredMediaType: "" });
    facts.mediaType = detected.mediaType;
    const input = inputOf({ path, size, mediaType: detected.mediaType, filename: facts.name });
    const { encoding } = detected;
    return await take(
      await load(detected.mediaType),
      encoding === undefined ? input : { ...input, encoding },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function store(
  content: Uint8Array | AsyncIterable<Uint8Array>,
  path: string,
  { limits, signal }: ExtractInput,
  budget: Budget,
): Promise<{ head: Buffer; size: number; sha256: string }> {
  const hash = createHash("sha256");
  const heads: Uint8Array[] = [];
  let size = 0;
  const file = await open(path, "w", 0o600);
  try {
    for await (const chunk of content instanceof Uint8Array ? [content] : content) {
      signal.throwIfAborted();
      if (size < DETECT_HEAD_BYTES) heads.push(chunk.subarray(0, DETECT_HEAD_BYTES - size));
      size += chunk.length;
      budget.written -= chunk.length;
      if (size > limits.maxInputBytes || budget.written < 0) {
        throw new DocumentFault(
          "DOCUMENT_TOO_LARGE",
          "It is larger than the documents inside one may be in all.",
        );
      }
      hash.update(chunk);
      await file.writeFile(chunk);
    }
  } finally {
    await file.close();
  }
  return { head: Buffer.concat(heads), size, sha256: hash.digest("hex") };
}

/** A name as it can be shown: one line, of a bounded length. */
function nameOf(name: string): string {
  return name
    .replace(/\p{Cc}+/gu, " ")
    .trim()
    .slice(0, MAX_NAME_CHARACTERS);
}

/** The process is at its end then, and the document that was sent is what brought it there. */
function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && /allocation failed|out of memory/i.test(error.message);
}
