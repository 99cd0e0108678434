/** What must have happened in many runs: a test that never gets anywhere proves nothing. */
import type { Counts } from "./real.ts";

const TRANSACTIONS = [
  "create",
  "create batch",
  "repeat create",
  "cancel",
  "cancel many",
  "retry",
  "retry many",
  "delete",
  "pause",
  "resume",
];
const STATEMENTS = [
  "claim",
  "heartbeat",
  "release",
  "step",
  "progress",
  "complete",
  "confirm cancel",
  "fail for good",
  "fail for now",
  "fail with a long backoff",
  "sweep",
  "reconcile",
  "a later commit",
];
const SEEN = [
  "PROCESSING after CREATED",
  "CANCELLED after CREATED",
  "COMPLETED after PROCESSING",
  "FAILED after PROCESSING, STAGE_FAILED",
  "FAILED after PROCESSING, QUARANTINED",
  "CREATED after PROCESSING",
  "CREATED after PROCESSING, STAGE_FAILED",
  "CANCELLING after PROCESSING",
  "CANCELLED after CANCELLING",
  "CREATED after CANCELLED",
  "CREATED after FAILED",
  "stage_finished fetch SUCCEEDED, restored",
];
const EXPECTED = [
  ...TRANSACTIONS.flatMap((act) => ["before", "inside", "after"].map((where) => `${act}, crashed ${where}`)),
  ...STATEMENTS.flatMap((act) => ["before", "after"].map((where) => `${act}, crashed ${where}`)),
  ...["error", "death"].flatMap((how) =>
    ["before", "inside", "after"].map((where) => `crashed ${where}: ${how}`),
  ),
  "crashed inside: kill",
  "writes with former leases",
  "writes with foreign leases",
  ...SEEN.map((what) => `seen: ${what}`),
];

/** What has not happened once. */
export function missing(counts: Counts): string[] {
  return EXPECTED.filter((what) => !counts.has(what));
}

export function table(counts: Counts): string {
  const lines = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  return lines.map(([what, count]) => `${String(count).padStart(9)}  ${what}\n`).join("");
}

/** How many acts were done, and how many of them crashed. */
export function totals(counts: Counts): { acts: number; crashes: number } {
  const sum = (belongs: (what: string) => boolean) =>
    [...counts].reduce((total, [what, count]) => total + (belongs(what) ? count : 0), 0);
  return {
    acts: sum((what) => !/^seen: |crashed /.test(what)),
    crashes: sum((what) => what.startsWith("crashed ")),
  };
}
