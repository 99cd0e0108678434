import { readFile, writeFile } from "node:fs/promises";
import { DocumentFault } from "../../extract/errors.ts";
import { renderText } from "../../extract/render.ts";
import { resultMetadata } from "../host/result-metadata.ts";
import { MAX_HTTP_BYTES } from "../http.ts";
import type { WorkingDocument } from "../stage.ts";

export interface RequestFacts {
  /** Where the body goes, mode 0600. */
  readonly bodyPath: string;
  readonly sourcePath: string;
  readonly jobId: string;
  /** The name of the stage. */
  readonly stage: string;
}

/**
 * Writes the body of the request of an http stage, JSON: the job, the stage, and of the document name, type, text, blocks,
 * metadata and chunks; its bytes in base64 while no stage has made text of them. Runs in a document process.
 * @throws DocumentFault LIMIT_EXCEEDED above 64 MiB
 */
export async function composeRequest(document: WorkingDocument, facts: RequestFacts): Promise<void> {
  const { source, mediaType, blocks, chunks } = document;
  // Base64 takes four bytes for three.
  if (blocks === undefined && source.sizeBytes > MAX_HTTP_BYTES * 0.75) throw tooLarge();
  const body = encode({
    job_id: facts.jobId,
    stage: facts.stage,
    document: {
      filename: source.filename,
      media_type: mediaType ?? source.declaredMediaType,
      size_bytes: source.sizeBytes,
      sha256: source.sha256,
      ...(blocks === undefined
        ? { data: await readFile(facts.sourcePath, "base64") }
        : { text: renderText(blocks).text, blocks }),
      ...(chunks === undefined ? {} : { chunks }),
    },
    metadata: resultMetadata(document),
  });
  if (body.length > MAX_HTTP_BYTES) throw tooLarge();
  await writeFile(facts.bodyPath, body, { mode: 0o600 });
}

function encode(value: unknown): Buffer {
  try {
    return Buffer.from(JSON.stringify(value));
  } catch (error) {
    // The engine's own bound on one string.
    if (error instanceof RangeError) throw tooLarge();
    throw error;
  }
}

function tooLarge(): DocumentFault {
  return new DocumentFault(
    "LIMIT_EXCEEDED",
    "The document is larger than the 64 MiB, as JSON, that an http stage sends. Split it, or leave the stage out for such documents by `when`.",
  );
}
