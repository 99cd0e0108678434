import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type DocumentHost, startDocumentHost } from "../support/document-host.ts";
import { ROOT } from "../support/processes.ts";
import { type Pauses, watchLoop } from "./loop-watch.ts";

export interface CampaignOptions {
  readonly seed: number;
  readonly documents: number;
  /** No further document begins after so long. */
  readonly seconds: number;
  /** Told of each document that ended in a way that is a fault of the program. */
  onFinding(finding: Finding): void;
  onProgress?(done: number): void;
}

/** A document that ended as none may. */
export interface Finding {
  readonly number: number;
  readonly name: string;
  readonly what: string;
}

export interface Campaign {
  readonly documents: number;
  readonly seconds: number;
  /** How many ended completed, and for each reason. */
  readonly ends: ReadonlyMap<string, number>;
  readonly findings: readonly Finding[];
  /** Resident memory of the process that hosts the document processes, in bytes: after a tenth of the documents, at the end. */
  readonly memory: { readonly early: number; readonly late: number };
  readonly pauses: Pauses;
  /** Healthy documents that were read beside the others. */
  readonly healthy: number;
  /** The slowest document, from its first stage to its end. */
  readonly slowest: { readonly name: string; readonly ms: number };
}

const IDLE_MS = 10_000;
const STAGE_MS = 20_000;
/** Six stages and the writing, each with its own time, and a pause for the kill. */
const DEADLINE_MS = 7 * STAGE_MS + 5_000;
const LANES = 2;
const HEALTHY = [
  "docx_lists.docx",
  "table_mislabeled_as_picture.pdf",
  "csv-semicolon.csv",
  "text_document_03.odt",
];

/** The reasons that the contract documents. */
export const REASONS: ReadonlySet<string> = new Set(
  [
    ...readFileSync(join(ROOT, "proto/sluice/v1/error_reason.proto"), "utf8").matchAll(
      /ERROR_REASON_([A-Z_]+) = /g,
    ),
  ].map((match) => match[1] ?? ""),
);

/**
 * Sends mutants through document processes such as a worker has, with healthy documents beside them, and looks at how each
 * ends, at the memory of this process and at its event loop.
 */
export async function runCampaign(options: CampaignOptions): Promise<Campaign> {
  await using host = await startDocumentHost({
    size: LANES + 1,
    idleProgressTimeoutMs: IDLE_MS,
    timeoutMs: STAGE_MS,
  });
  const maker = fork(join(ROOT, "test/fuzz/maker.ts"), [String(options.seed), host.folder]);
  const ends = new Map<string, number>();
  const findings: Finding[] = [];
  const slowest = { name: "", ms: 0 };
  const over = new AbortController();
  const startedAt = performance.now();
  let begun = 0;
  let done = 0;
  let early = 0;

  const report = (number: number, name: string, what: string): void => {
    const finding = { number, name, what };
    findings.push(finding);
    options.onFinding(finding);
  };
  const lane = async (): Promise<void> => {
    while (begun < options.documents && performance.now() - startedAt < options.seconds * 1000) {
      const { number, name, path } = await make(maker, begun++);
      const from = performance.now();
      const { end, fault } = await endOf(host, path, name);
      const ms = performance.now() - from;
      ends.set(end, (ends.get(end) ?? 0) + 1);
      if (fault !== null) report(number, name, fault);
      if (ms > DEADLINE_MS) report(number, name, `took ${Math.round(ms)} ms`);
      if (ms > slowest.ms) Object.assign(slowest, { name, ms });
      await rm(path);
      done++;
      if (early === 0 && done >= options.documents / 10) early = process.memoryUsage.rss();
      options.onProgress?.(done);
    }
  };

  const beside = await startHealthy(host, over.signal, (name, what) => report(-1, name, what));
  const loop = watchLoop();
  try {
    await Promise.all(Array.from({ length: LANES }, lane));
  } finally {
    over.abort();
    maker.disconnect();
  }
  const pauses = loop.end();
  const seconds = (performance.now() - startedAt) / 1000;
  const memory = { early, late: process.memoryUsage.rss() };
  return { documents: done, seconds, ends, findings, memory, pauses, healthy: await beside.read, slowest };
}

interface Made {
  readonly number: number;
  readonly name: string;
  readonly path: string;
}

/** Asks the maker for a mutant; several may be under way. */
async function make(maker: ReturnType<typeof fork>, number: number): Promise<Made> {
  maker.send(number);
  for (;;) {
    const [made] = (await once(maker, "message")) as [Made];
    if (made.number === number) return made;
  }
}

/** How a document ended, and what is wrong with that. */
async function endOf(
  host: DocumentHost,
  path: string,
  filename: string,
): Promise<{ end: string; fault: string | null }> {
  try {
    const { qualityScore = 0 } = await host.digest({ path, filename });
    const sound = qualityScore >= 0 && qualityScore <= 1;
    return { end: "COMPLETED", fault: sound ? null : `a quality score of ${qualityScore}` };
  } catch (error) {
    const {
      reason = "no reason",
      message,
      retryable,
    } = error as Error & { reason?: string; retryable?: boolean };
    if (!REASONS.has(reason)) return { end: reason, fault: `${reason}: ${message}` };
    // A reader that throws what it did not foresee fails with a documented reason too, and is to be mended all the same.
    if (reason === "STAGE_FAILED" || reason === "PARSER_CRASHED")
      return { end: reason, fault: `${reason}: ${message}` };
    return { end: reason, fault: retryable === true ? `${reason} would be tried again: ${message}` : null };
  }
}

/** Reads healthy documents one after the other; each must come out as the first time. */
async function startHealthy(
  host: DocumentHost,
  signal: AbortSignal,
  onFault: (name: string, what: string) => void,
): Promise<{ read: Promise<number> }> {
  const folder = join(ROOT, "test/fixtures/corpus");
  const files: { name: string; path: string; sha256: string }[] = [];
  for (const name of HEALTHY) {
    const path = await host.bring(join(folder, name));
    files.push({ name, path, sha256: (await host.digest({ path, filename: name })).sha256 });
  }
  const read = (async () => {
    let count = 0;
    for (; !signal.aborted; count++) {
      const { name, path, sha256 } = files[count % files.length] ?? { name: "", path: "", sha256: "" };
      await host.digest({ path, filename: name }).then(
        (again) => again.sha256 !== sha256 && onFault(name, "a healthy document came out differently"),
        (error: Error) => onFault(name, `a healthy document failed: ${error.message}`),
      );
    }
    return count;
  })();
  return { read };
}
