import { expect, test } from "vitest";
import { examine } from "../../../src/doctor/doctor.ts";
import type { Check, Finding, Mend, Report } from "../../../src/doctor/model.ts";

const OK: Finding = { level: "ok", code: "OK", message: "fine" };
const FAULT: Finding = { level: "fault", code: "BROKEN", message: "broken", mendable: true };
const WARN: Finding = { level: "warn", code: "ODD", message: "odd" };
const MEND: Mend = { code: "BROKEN", message: "glued", count: 1, ids: [] };

const check = (name: string, findings: readonly Finding[], needs: readonly string[] = []): Check => ({
  name,
  needs,
  run: async () => findings,
});

async function run(checks: readonly Check[], repair = false, deadlineMs = 10_000) {
  const reports: Report[] = [];
  const outcome = await examine(checks, { repair, deadlineMs, tell: (report) => reports.push(report) });
  return { outcome, reports };
}

test("every check is told in its order, and faults and warnings are counted apart", async () => {
  const { outcome, reports } = await run([check("a", [OK]), check("b", [WARN, FAULT]), check("c", [WARN])]);
  expect(reports.map(({ check }) => check)).toEqual(["a", "b", "c"]);
  expect(outcome).toEqual({ checks: 3, skipped: 0, warnings: 2, faults: 1, mended: 0 });
});

test("what needs a check with a fault is skipped, and so is what needs that; a warning skips nothing", async () => {
  const { outcome, reports } = await run([
    check("schema", [FAULT]),
    check("jobs", [OK], ["schema"]),
    check("events", [OK], ["jobs"]),
    check("storage", [WARN]),
    check("objects", [OK], ["storage"]),
  ]);
  expect(reports.filter((report) => "skipped" in report)).toEqual([
    { check: "jobs", skipped: "schema" },
    { check: "events", skipped: "jobs" },
  ]);
  expect(outcome).toMatchObject({ checks: 5, skipped: 2, faults: 1 });
});

test("a check that throws is a fault with its sentence, and the others are made", async () => {
  const broken: Check = { name: "a", run: () => Promise.reject(new Error("the plug is out")) };
  const { outcome, reports } = await run([broken, check("b", [OK])]);
  expect(reports[0]).toMatchObject({
    findings: [{ level: "fault", code: "CHECK_FAILED", message: "could not be looked at: the plug is out" }],
  });
  expect(reports[1]).toMatchObject({ check: "b", findings: [OK] });
  expect(outcome.faults).toBe(1);
});

test("a check that gives no answer in time is a fault, and the others are made", async () => {
  const silent: Check = { name: "a", run: () => new Promise(() => {}) };
  const { reports } = await run([silent, check("b", [OK])], false, 20);
  expect(reports[0]).toMatchObject({ findings: [{ level: "fault", code: "CHECK_FAILED" }] });
  expect(reports[1]).toMatchObject({ findings: [OK] });
});

/** Broken until it is mended. */
function mendable(repair: () => Promise<readonly Mend[]>) {
  const calls: string[] = [];
  const check: Check = {
    name: "a",
    async run() {
      calls.push("run");
      return calls.includes("mended") ? [OK] : [FAULT];
    },
    async repair() {
      calls.push("repair");
      const mends = await repair();
      calls.push("mended");
      return mends;
    },
  };
  return { check, calls };
}

test("without --repair nothing is mended", async () => {
  const { check, calls } = mendable(async () => [MEND]);
  const { outcome } = await run([check]);
  expect(calls).toEqual(["run"]);
  expect(outcome).toMatchObject({ faults: 1, mended: 0 });
});

test("a repair is followed by another look: only what is left counts", async () => {
  const { check, calls } = mendable(async () => [MEND]);
  const { outcome, reports } = await run([check], true);
  expect(calls).toEqual(["run", "repair", "mended", "run"]);
  expect(reports).toEqual([{ check: "a", findings: [OK], mends: [MEND] }]);
  expect(outcome).toMatchObject({ faults: 0, mended: 1 });
});

test("nothing is repaired where nothing is wrong", async () => {
  const calls: string[] = [];
  const sound: Check = {
    ...check("a", [OK, WARN]),
    async repair() {
      calls.push("repair");
      return [MEND];
    },
  };
  await run([sound], true);
  expect(calls).toEqual([]);
});

test("a repair that fails is a fault beside the one that it was to mend", async () => {
  const { check } = mendable(() => Promise.reject(new Error("no glue")));
  const { outcome, reports } = await run([check], true);
  expect(reports[0]).toMatchObject({
    findings: [{ code: "MEND_FAILED", message: "could not be mended: no glue" }, FAULT],
    mends: [],
  });
  expect(outcome.faults).toBe(2);
});
