import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_EXTRACT_LIMITS } from "../../../src/extract/extractor.ts";
import type { Json } from "../../../src/extract/model.ts";
import { createStagePool, type StageJob, type StagePoolOptions } from "../../../src/stages/host/pool.ts";
import type { WorkingDocument } from "../../../src/stages/stage.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";

const HOSTILE = new URL("./hostile-stages.ts", import.meta.url).pathname;

/** A started pool with the hostile stages and a folder of its own; both are gone at the end of the test. */
export async function startPool(overrides: Partial<StagePoolOptions> = {}) {
  const tempDir = await mkdtemp(join(tmpdir(), "sluice stages "));
  const pool = createStagePool({
    size: 1,
    maxRssBytes: 400 * 1024 * 1024,
    idleProgressTimeoutMs: 10_000,
    maxDocumentsPerProcess: 1_000,
    oldSpaceMb: 192,
    customModules: [HOSTILE],
    warmUp: false,
    tempDir,
    logger: createLogger("silent"),
    ...overrides,
  });
  const sourcePath = join(tempDir, "source.bin");
  await writeFile(sourcePath, "Hello, world.");
  await pool.start();
  let outputs = 0;

  const job = (stageType: string, options: unknown = null, changes: Partial<StageJob> = {}): StageJob => ({
    stage: stageType,
    stageType,
    options,
    inputPath: null,
    outputPath: join(tempDir, `out-${outputs++}.json`),
    sourcePath,
    source: { filename: "hello.txt", declaredMediaType: "", sizeBytes: 13, sha256: "" },
    limits: DEFAULT_EXTRACT_LIMITS,
    timeoutMs: 30_000,
    onProgress: () => {},
    onLog: () => {},
    onPeak: () => {},
    signal: new AbortController().signal,
    ...changes,
  });

  return {
    pool,
    tempDir,
    sourcePath,
    job,
    /** Runs a test stage and returns the fact it left. */
    async fact(stageType: string, options?: unknown): Promise<Json | undefined> {
      const task = job(stageType, options);
      await pool.run(task);
      const document = JSON.parse(await readFile(task.outputPath, "utf8")) as WorkingDocument;
      const { [stageType]: said } = document.facts.stages as { [stage: string]: { fact: Json } };
      return said?.fact;
    },
    async [Symbol.asyncDispose]() {
      await pool.stop();
      await rm(tempDir, { recursive: true, force: true });
    },
  };
}

/** True while a process of that id lives (a zombie does not). */
export async function isAlive(pid: number): Promise<boolean> {
  try {
    return !/^State:\s+[ZX]/m.test(await readFile(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Looks every 10 ms until the condition holds; fails after 10 s. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`never came true: ${what}`);
    await new Promise((settle) => setTimeout(settle, 10));
  }
}
