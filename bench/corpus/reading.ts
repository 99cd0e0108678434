import { rm } from "node:fs/promises";
import type { DocumentHost } from "../../test/support/document-host.ts";

/** What a reader made of a document. */
export interface Reading {
  readonly text: string;
  /** The same without markup, where the reader has both. */
  readonly plain?: string;
  readonly durationMs: number;
  /** The most resident memory of the process that read it; 0 = not known. */
  readonly peakBytes: number;
  /** Why there is no text; null when there is. */
  readonly failure: string | null;
}

/** Reads a document as a worker does; the text is its Markdown, as most of the expected texts are. */
export async function readWithSluice(host: DocumentHost, path: string, file: string): Promise<Reading> {
  const copy = await host.bring(path);
  try {
    const {
      text: plain,
      markdown,
      durationMs,
      peakRssBytes,
    } = await host.read({ path: copy, filename: file });
    return { text: markdown, plain, durationMs, peakBytes: peakRssBytes, failure: null };
  } catch (error) {
    const { reason, message } = error as { reason?: string; message?: string };
    return { text: "", durationMs: 0, peakBytes: 0, failure: reason ?? String(message) };
  } finally {
    await rm(copy);
  }
}
