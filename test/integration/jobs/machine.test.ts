import fc from "fast-check";
import { expect, test } from "vitest";
import { createHarness, type Harness } from "../../support/harness.ts";
import { histories } from "./machine/commands.ts";
import { missing, table, totals } from "./machine/coverage.ts";
import { type Counts, createRuns } from "./machine/real.ts";
import { recover } from "./machine/recovery.ts";

const RUNS = Number(process.env.MODEL_RUNS ?? process.env.MODEL_RUNS_UNLESS_SAID ?? 1_000);
const SEED = Number(process.env.MODEL_SEED ?? Date.now() % 1_000_000_000);
/** Of a failure that is to be seen again, as it was printed. */
const PATH = process.env.MODEL_PATH ?? "";
const REPLAY = process.env.MODEL_REPLAY ?? "";
/** Runs follow each other on a database of their own; while one line of them waits for Postgres, the others go on. */
const LANES = PATH ? 1 : 4;
const MAX_COMMANDS = 60;
/** Fewer than this need not have seen everything. */
const MANY_RUNS = 1_000;
/** Longer than any run, however slow the machine is: only the test says that a lease has run out. */
const LEASE_MS = 600_000;

test("whatever callers, workers, crashes and sweeps do in whatever order, jobs stay what the plain model says", {
  timeout: 180_000 + RUNS * 100,
}, async () => {
  const counts: Counts = new Map();
  const begun = performance.now();
  await Promise.all(Array.from({ length: LANES }, (_, lane) => runLane(SEED + lane, counts)));
  const seconds = (performance.now() - begun) / 1000;
  const { acts, crashes } = totals(counts);
  if (RUNS > 1_000 || process.env.MODEL_RUNS) process.stdout.write(table(counts));
  process.stdout.write(
    `${RUNS} runs from seed ${SEED} in ${seconds.toFixed(1)} s: ${acts} acts, ${crashes} of them crashed\n`,
  );
  if (!PATH && RUNS >= MANY_RUNS) expect(missing(counts)).toEqual([]);
});

async function runLane(seed: number, counts: Counts): Promise<void> {
  await using h = await createHarness({ leaseMs: LEASE_MS });
  const setup = await createRuns(h, counts);
  const property = fc.asyncProperty(histories(MAX_COMMANDS, REPLAY), async (commands) => {
    const { model, real } = setup();
    try {
      await fc.asyncModelRun(() => ({ model, real }), commands);
      await recover(model, real);
    } finally {
      await clear(h);
    }
  });
  const where = PATH ? { path: PATH, numRuns: 1 } : { numRuns: Math.ceil(RUNS / LANES) };
  const details = await fc.check(property, { seed, ...where });
  if (!details.failed) return;
  const report = fc.defaultReportMessage(details) ?? "";
  throw new Error(`${report}\n\n${howToRepeat(details, report)}`, { cause: details.errorInstance });
}

function howToRepeat(details: { seed: number; counterexamplePath: string | null }, report: string): string {
  const replay = /replayPath="([^"]*)"/.exec(report)?.[1] ?? "";
  const settings = `MODEL_SEED=${details.seed} MODEL_PATH=${details.counterexamplePath} MODEL_REPLAY=${replay}`;
  return `To see it again: ${settings} npm run model`;
}

/** So that nothing of a run is there for the next; the record of callers' acts cannot be removed. */
async function clear(h: Harness): Promise<void> {
  await h.db.sql.unsafe(
    "delete from jobs; delete from documents; update queue_state set paused = false where paused",
  );
}
