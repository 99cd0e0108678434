import { defineConfig } from "vitest/config";
import { settleTempFolder } from "./test/support/temp-folder.ts";

settleTempFolder();

const POSTGRES = ["test/support/global-setup.ts"];

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
          maxWorkers: 2,
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
          // Two files side by side: most of what they do is wait for leases, starts and ends.
          maxWorkers: 2,
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
