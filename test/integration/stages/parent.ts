/** A process that holds a pool whose children are busy for ever; it prints their ids and waits to be killed. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_EXTRACT_LIMITS } from "../../../src/extract/extractor.ts";
import { createStagePool } from "../../../src/stages/host/pool.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";

const tempDir = mkdtempSync(join(tmpdir(), "sluice-parent-"));
const sourcePath = join(tempDir, "source");
writeFileSync(sourcePath, "x");
const pool = createStagePool({
  size: 2,
  maxRssBytes: 2 ** 30,
  idleProgressTimeoutMs: 60_000,
  maxDocumentsPerProcess: 10,
  oldSpaceMb: 128,
  customModules: [new URL("./hostile-stages.ts", import.meta.url).pathname],
  warmUp: false,
  tempDir,
  // An empty PATH: no setpriv, so the children watch their parent themselves.
  ...(process.argv[2] === "bare" ? { path: "/nonexistent" } : {}),
  logger: createLogger("silent"),
});
await pool.start();
let spinning = 0;
for (let i = 0; i < 2; i++) {
  pool
    .run({
      stage: "spin",
      stageType: "test_spin",
      options: null,
      inputPath: null,
      outputPath: join(tempDir, `out-${i}`),
      sourcePath,
      source: { filename: "x", declaredMediaType: "", sizeBytes: 1, sha256: "" },
      limits: DEFAULT_EXTRACT_LIMITS,
      timeoutMs: 60_000,
      onProgress: () => {
        if (++spinning === 2) process.stdout.write(`${JSON.stringify({ tempDir, pids: pool.pids() })}\n`);
      },
      onLog: () => {},
      onPeak: () => {},
      signal: new AbortController().signal,
    })
    .catch(() => {});
}
