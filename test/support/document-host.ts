import { mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { DEFAULT_EXTRACT_LIMITS, type ExtractLimits } from "../../src/extract/extractor.ts";
import { createStagePool, type StagePool, type StagePoolOptions } from "../../src/stages/host/pool.ts";
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

/** Document processes as a worker has them, and a folder for their files; both are gone at the end. */
export interface DocumentHost extends AsyncDisposable {
  readonly pool: StagePool;
  /** Where they may read and write. */
  readonly folder: string;
  /**
   * Takes one document through the stages of the default pipeline and writes its formats.
   * @throws what the pool throws: `DocumentFault`, `StageFailure`, or the signal's reason
   */
  read(file: HostedFile): Promise<HostedResult>;
}

/** Starts document processes with the settings of a worker; `overrides` changes some of them. */
export async function startDocumentHost(overrides: Partial<StagePoolOptions> = {}): Promise<DocumentHost> {
  const folder = await mkdtemp(join(tmpdir(), "sluice documents "));
  const pool = createStagePool({
    size: 1,
    maxRssBytes: 1024 * 1024 * 1024,
    idleProgressTimeoutMs: 120_000,
    maxDocumentsPerProcess: 200,
    oldSpaceMb: 512,
    tempDir: folder,
    logger: createLogger("silent"),
    ...overrides,
  });
  await pool.start();
  let count = 0;

  async function read(file: HostedFile): Promise<HostedResult> {
    const { path, filename = basename(path), password, signal = new AbortController().signal } = file;
    const own = join(folder, `document-${count++}`);
    const startedAt = performance.now();
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
          stageType: type,
          options: findStage(type)?.parseOptions({}),
          inputPath,
          outputPath,
          sourcePath: path,
          source,
          limits,
          timeoutMs: 10 * 60_000,
          onProgress: () => {},
          onLog: () => {},
          onPeak,
          signal,
          ...(password === undefined ? {} : { password }),
        });
        inputPath = outputPath;
      }
      const documentPath = inputPath ?? "";
      await pool.render({ documentPath, folder: own, timeoutMs: 10 * 60_000, onPeak, signal });
      const durationMs = performance.now() - startedAt;
      const [text, markdown, document] = await Promise.all(
        [join(own, "text.txt"), join(own, "document.md"), documentPath].map((name) => readFile(name, "utf8")),
      );
      return {
        text: text ?? "",
        markdown: markdown ?? "",
        document: JSON.parse(document ?? "") as WorkingDocument,
        durationMs,
        peakRssBytes,
      };
    } finally {
      await rm(own, { recursive: true, force: true });
    }
  }

  return {
    pool,
    folder,
    read,
    async [Symbol.asyncDispose]() {
      await pool.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
