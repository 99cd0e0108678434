import { copyFile, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { DEFAULT_EXTRACT_LIMITS, type ExtractLimits } from "../../src/extract/extractor.ts";
import {
  createStagePool,
  type RenderedFiles,
  type StagePool,
  type StagePoolOptions,
} from "../../src/stages/host/pool.ts";
import { findStage } from "../../src/stages/registry.ts";
import type { WorkingDocument } from "../../src/stages/stage.ts";
import { createLogger } from "../../src/telemetry/logger.ts";

/** The stages of the default pipeline that run in document processes. */
const STAGES = ["detect", "extract", "normalize", "enrich", "chunk", "quality"] as const;

/** A document on the local disk. */
export interface HostedFile {
  readonly path: string;
  /** As a client would name it; without it the name of the file. */
  readonly filename?: string;
  readonly password?: string;
  readonly limits?: Partial<ExtractLimits>;
  readonly signal?: AbortSignal;
}

/** A finished document: the formats of its result and what reading it took. */
export interface HostedResult {
  readonly text: string;
  readonly markdown: string;
  /** As the last stage left it, as JSON. */
  readonly document: WorkingDocument;
  readonly durationMs: number;
  readonly peakRssBytes: number;
}

/** The hash of a finished text, for those who need not see it. */
export interface HostedDigest {
  readonly sha256: string;
  readonly characters: number;
  readonly qualityScore: number | undefined;
}

/** Document processes as a worker has them, and a folder for their files; both are gone at the end. */
export interface DocumentHost extends AsyncDisposable {
  readonly pool: StagePool;
  /** Where they may read and write. */
  readonly folder: string;
  /** Copies a file to where they may read it, and returns the path of the copy. */
  bring(path: string): Promise<string>;
  /**
   * Takes one document through the stages of the default pipeline and writes its formats.
   * @throws what the pool throws: `DocumentFault`, `StageFailure`, or the signal's reason
   */
  read(file: HostedFile): Promise<HostedResult>;
  /** The same without bringing the result into this process; throws like `read`. */
  digest(file: HostedFile): Promise<HostedDigest>;
}

/** Starts document processes with the settings of a worker; `overrides` changes some of them, `timeoutMs` is that of a stage. */
export async function startDocumentHost({
  timeoutMs = 10 * 60_000,
  ...overrides
}: Partial<StagePoolOptions> & { timeoutMs?: number } = {}): Promise<DocumentHost> {
  const folder = await mkdtemp(join(tmpdir(), "sluice documents "));
  const pool = createStagePool({
    size: 1,
    maxRssBytes: 1024 * 1024 * 1024,
    idleProgressTimeoutMs: 120_000,
    maxDocumentsPerProcess: 200,
    oldSpaceMb: 512,
    warmUp: true,
    tempDir: folder,
    logger: createLogger("silent"),
    ...overrides,
  });
  await pool.start();
  let count = 0;

  async function through<T>(
    file: HostedFile,
    take: (done: {
      folder: string;
      documentPath: string;
      rendered: RenderedFiles;
      peakRssBytes: number;
    }) => T,
  ): Promise<Awaited<T>> {
    const { path, filename = basename(path), password, signal = new AbortController().signal } = file;
    const own = join(folder, `document-${count++}`);
    let peakRssBytes = 0;
    const onPeak = (bytes: number): void => {
      peakRssBytes = Math.max(peakRssBytes, bytes);
    };
    await mkdir(own);
    try {
      const { size: sizeBytes } = await stat(path);
      const source = { filename, declaredMediaType: "", sizeBytes, sha256: "" };
      const limits = { ...DEFAULT_EXTRACT_LIMITS, ...file.limits };
      let inputPath: string | null = null;
      for (const type of STAGES) {
        const outputPath: string = join(own, `${type}.json`);
        await pool.run({
          stage: type,
          stageType: type,
          options: findStage(type)?.parseOptions({}),
          inputPath,
          outputPath,
          sourcePath: path,
          source,
          limits,
          timeoutMs,
          onProgress: () => {},
          onLog: () => {},
          onPeak,
          signal,
          ...(password === undefined ? {} : { password }),
        });
        inputPath = outputPath;
      }
      const documentPath = inputPath ?? "";
      const rendered = await pool.render({ documentPath, folder: own, timeoutMs, onPeak, signal });
      return await take({ folder: own, documentPath, rendered, peakRssBytes });
    } finally {
      await rm(own, { recursive: true, force: true });
    }
  }

  async function read(file: HostedFile): Promise<HostedResult> {
    const startedAt = performance.now();
    return await through(file, async (done) => {
      const durationMs = performance.now() - startedAt;
      const paths = [join(done.folder, "text.txt"), join(done.folder, "document.md"), done.documentPath];
      const [text = "", markdown = "", json = ""] = await Promise.all(
        paths.map((path) => readFile(path, "utf8")),
      );
      const document = JSON.parse(json) as WorkingDocument;
      return { text, markdown, document, durationMs, peakRssBytes: done.peakRssBytes };
    });
  }

  async function digest(file: HostedFile): Promise<HostedDigest> {
    return await through(file, ({ rendered: { files, characters, qualityScore } }) => ({
      sha256: files.find(({ name }) => name === "text.txt")?.sha256 ?? "",
      characters,
      qualityScore,
    }));
  }

  return {
    pool,
    folder,
    async bring(path) {
      const copy = join(folder, `source-${count++}`);
      await copyFile(path, copy);
      return copy;
    },
    read,
    digest,
    async [Symbol.asyncDispose]() {
      await pool.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
