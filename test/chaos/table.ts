import type { Fault } from "./arena.ts";
import { LANES } from "./plan.ts";
import type { Count } from "./verdict.ts";

/** What recovery means, for each kind of fault. */
const UNTIL_TAKEN_OVER =
  "worker: from the fault until every job that it held is held under another lease or has ended";
const UNTIL_SERVED =
  "others: from the fault (Postgres: from its return) until every server has answered a create and a job created since has completed";
const EXAMPLES = 5;
const EXAMPLE_CHARS = 300;

/** The tables at the end of a run: faults with their recovery times, and everything that was counted. */
export function tables(faults: readonly Fault[], counts: readonly Count[]): string {
  const rows = Object.values(LANES)
    .flat()
    .map((kind) => {
      const all = faults.filter((fault) => fault.kind === kind);
      const times = all.flatMap(({ recoveredMs }) => recoveredMs ?? []).sort((a, b) => a - b);
      const hit = all.reduce((sum, struck) => sum + (struck.hit ?? 0), 0);
      return [
        kind,
        all.length,
        all.some((struck) => struck.hit !== undefined) ? hit : "",
        ...measured(times),
      ];
    });
  const total = ["all", faults.length, faults.reduce((sum, { hit = 0 }) => sum + hit, 0), "", ""];
  return [
    "Recovery time, in seconds",
    `  ${UNTIL_TAKEN_OVER}`,
    `  ${UNTIL_SERVED}`,
    "  Faults of different lanes meet, so a time can hold a share of another fault.",
    "",
    line(["fault", "times", "jobs hit", "p50", "max"]),
    ...rows.map(line),
    line(total),
    "",
    ...counts.flatMap(({ name, count, breaches = [], examples = breaches }) => [
      `${breaches.length > 0 ? "BREACH" : "      "} ${String(count).padStart(6)}  ${name}`,
      ...examples.slice(0, EXAMPLES).map((text) => `                 ${text.slice(0, EXAMPLE_CHARS)}`),
      ...(examples.length > EXAMPLES ? [`                 and ${examples.length - EXAMPLES} more`] : []),
    ]),
  ].join("\n");
}

function measured(times: readonly number[]): [string, string] {
  const p50 = times[Math.floor((times.length - 1) / 2)];
  const max = times.at(-1);
  return p50 === undefined || max === undefined ? ["-", "-"] : [inSeconds(p50), inSeconds(max)];
}

function inSeconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

function line(cells: readonly (string | number)[]): string {
  const [name, ...numbers] = cells.map(String);
  return `  ${(name ?? "").padEnd(28)}${numbers.map((cell) => cell.padStart(10)).join("")}`;
}
