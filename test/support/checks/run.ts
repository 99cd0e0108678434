import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** One thing that must hold: a command that ends with 0. */
interface Step {
  readonly name: string;
  readonly command: readonly [program: string, ...rest: string[]];
  readonly timeoutMs: number;
  /** Tells how many tests ran; for a step without it the command itself is the one that passed or failed. */
  readonly report?: string;
}

interface Outcome {
  readonly step: Step;
  readonly ok: boolean;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The tests that failed, each with the beginning of its message. */
  readonly failures: readonly string[];
  readonly seconds: number;
}

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const MINUTE = 60_000;
/** Lines of a failure that are told again at the end. */
const MESSAGE_LINES = 12;
const reports = mkdtempSync(join(tmpdir(), "sluice-checks-"));

const check = (name: string, ...command: Step["command"]): Step => ({ name, command, timeoutMs: 3 * MINUTE });

function tests(project: string, timeoutMs: number): Step {
  const report = join(reports, `${project}.json`);
  const output = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  return {
    name: `${project} tests`,
    command: ["vitest", "run", "--project", project, ...output],
    timeoutMs,
    report,
  };
}

const STATIC: readonly Step[] = [
  check("contract: lint", "buf", "lint"),
  check("contract: format", "buf", "format", "--diff", "--exit-code"),
  check("contract: nothing breaks", "node", "test/support/checks/breaking.ts"),
  check("contract: gen is current", "node", "test/support/checks/generated.ts"),
  check("contract: AUDIT.md is current", "node", "test/support/checks/audit-reference.ts"),
  check("contract: permissions", "node", "test/support/checks/permissions.ts"),
  check("types", "node", "node_modules/typescript-7/bin/tsc", "--noEmit"),
  check("lint and format", "biome", "check", "--error-on-warnings"),
  check("import rules", "node", "test/support/checks/imports.ts"),
];
const CHECK = [...STATIC, tests("unit", 8 * MINUTE)];
/** The cut ends itself after three minutes. */
const CHAOS: Step = {
  name: "chaos, one minute",
  command: ["node", "test/chaos/run.ts", "--cut"],
  timeoutMs: 4 * MINUTE,
};
/** The cut ends itself when one of its parts takes two minutes; all together take less than one on a machine that is free. */
const ATTACK: Step = {
  name: "attack, one minute",
  command: ["node", "test/attack/run.ts", "--cut"],
  timeoutMs: 5 * MINUTE,
};
const PLANS: Readonly<Record<string, readonly Step[]>> = {
  static: STATIC,
  check: CHECK,
  all: [...CHECK, tests("integration", 15 * MINUTE), tests("e2e", 15 * MINUTE), ATTACK, CHAOS],
};

function execute({ command: [program, ...rest], timeoutMs }: Step): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program, rest, {
      cwd: ROOT,
      stdio: ["ignore", "inherit", "inherit"],
      // The tools that npm installed come first, the project's own Node among them.
      env: { ...process.env, PATH: `${join(ROOT, "node_modules/.bin")}${delimiter}${process.env.PATH}` },
      timeout: timeoutMs,
    });
    child.once("error", () => resolve(false));
    child.once("exit", (code) => resolve(code === 0));
  });
}

async function perform(step: Step): Promise<Outcome> {
  process.stdout.write(`\n── ${step.name}\n`);
  const begun = performance.now();
  const ok = await execute(step);
  const seconds = (performance.now() - begun) / 1000;
  const counts = step.report ? readCounts(step.report) : { ...NONE, passed: ok ? 1 : 0 };
  // A step can fail without a failed test: a file that does not load, a crash, a timeout.
  return { step, ok, ...counts, failed: ok ? counts.failed : Math.max(1, counts.failed), seconds };
}

type Counts = Pick<Outcome, "passed" | "failed" | "skipped" | "failures">;
const NONE: Counts = { passed: 0, failed: 0, skipped: 0, failures: [] };

/** What of the report of vitest is read here. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

function readCounts(report: string): Counts {
  let json: Report;
  try {
    json = JSON.parse(readFileSync(report, "utf8")) as Report;
  } catch {
    return NONE;
  }
  const failures = json.testResults.flatMap(({ name, status, assertionResults }) => {
    const file = relative(ROOT, name);
    const failed = assertionResults.filter((test) => test.status === "failed");
    // A file that does not load, or whose hooks fail, has no failed test.
    if (status === "failed" && failed.length === 0) return [file];
    return failed.map((test) => {
      const message = test.failureMessages.join("\n").split("\n").slice(0, MESSAGE_LINES);
      return `${file}: ${test.fullName.trim()}\n  ${message.join("\n  ")}`;
    });
  });
  const skipped = json.numPendingTests + json.numTodoTests;
  return { passed: json.numPassedTests, failed: json.numFailedTests, skipped, failures };
}

/** Runs every step, also after one has failed, so that one run tells everything. */
async function main(plan: readonly Step[]): Promise<number> {
  const outcomes: Outcome[] = [];
  for (const step of plan) outcomes.push(await perform(step));
  rmSync(reports, { recursive: true, force: true });
  const lines = outcomes.map(({ step, ok, passed, failed, skipped, seconds }) => {
    const counts = step.report ? `  ${passed} passed, ${failed} failed, ${skipped} skipped` : "";
    return `${ok ? "ok    " : "FAILED"}  ${step.name.padEnd(26)}${seconds.toFixed(1).padStart(7)} s${counts}`;
  });
  const sum = (of: (outcome: Outcome) => number) =>
    outcomes.reduce((total, outcome) => total + of(outcome), 0);
  const failures = outcomes.flatMap(({ failures }) => failures.map((name) => `\nfailed: ${name}`)).join("");
  const total = `${sum(({ passed }) => passed)} passed, ${sum(({ failed }) => failed)} failed`;
  process.stdout.write(
    `\n── ${sum(({ seconds }) => seconds).toFixed(0)} s\n${lines.join("\n")}\n${failures}\n${total}\n`,
  );
  return outcomes.every(({ ok }) => ok) ? 0 : 1;
}

const plan = PLANS[process.argv[2] ?? ""];
if (!plan) throw new Error(`Say what to run: ${Object.keys(PLANS).join(", ")}.`);
process.exitCode = await main(plan);
