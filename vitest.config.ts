import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { settleTempFolder } from "./test/support/temp-folder.ts";

settleTempFolder();

const POSTGRES = ["test/support/global-setup.ts"];
const PROCESSORS = Math.min(4, availableParallelism());
/** Files side by side of which each waits half its time: for the database, leases, starts and ends. */
const WAITING = 3;

export default defineConfig({
  test: {
    // Processes, not threads: the embedded Postgres, signals and heap limits belong to a process.
    pool: "forks",
    // A test that ran nowhere proves nothing.
    passWithNoTests: false,
    allowOnly: false,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          testTimeout: 30_000,
          // Of two processors vitest would use one.
          maxWorkers: PROCESSORS,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          globalSetup: POSTGRES,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: WAITING,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: POSTGRES,
          setupFiles: ["test/support/show-output.ts"],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          maxWorkers: WAITING,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          // The same test as among the integration tests, with many more runs.
          name: "model",
          include: ["test/integration/jobs/machine.test.ts"],
          globalSetup: POSTGRES,
          env: { MODEL_RUNS_UNLESS_SAID: "20000" },
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
