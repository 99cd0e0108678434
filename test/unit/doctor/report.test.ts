import { expect, test } from "vitest";
import type { Finding, Report } from "../../../src/doctor/model.ts";
import { jsonOf, summaryOf, textOf } from "../../../src/doctor/report.ts";
import { size, span } from "../../../src/doctor/words.ts";

const reportOf = (...findings: Finding[]): Report => ({ check: "leases", findings, mends: [] });
const ids = ["0198-a", "0198-b", "0198-c", "0198-d", "0198-e", "0198-f"];
const fault: Finding = {
  level: "fault",
  code: "LEASE_EXPIRED",
  message: "9 jobs are stuck",
  advice: "Do something.",
  count: 9,
  ids,
};
const mend = { code: "LEASE_EXPIRED", message: "2 jobs taken back", count: 2, ids: ["0198-a", "0198-b"] };

test("a finding is a line with its check, a few ids and how many more there are, and below it what to do", () => {
  expect(textOf(reportOf(fault))).toBe(
    [
      "FAULT   leases            9 jobs are stuck: 0198-a, 0198-b, 0198-c, 0198-d, 0198-e and 4 others.",
      "                          Do something.",
    ].join("\n"),
  );
  expect(textOf(reportOf({ level: "ok", code: "OK", message: "all there" }))).toBe(
    "ok      leases            all there.",
  );
  expect(textOf({ check: "jobs", skipped: "schema" })).toBe(
    "skipped jobs              waits for schema to be in order.",
  );
});

test("what was mended is told in the place of ok, and what is left stays", () => {
  const ok: Finding = { level: "ok", code: "OK", message: "fine" };
  expect(textOf({ check: "leases", findings: [ok], mends: [mend] })).toBe(
    "mended  leases            2 jobs taken back: 0198-a, 0198-b.",
  );
  const left = textOf({ check: "leases", findings: [fault], mends: [mend] });
  expect(left.split("\n").map((line) => line.slice(0, 8).trim())).toEqual(["mended", "FAULT", ""]);
});

test("as JSON each finding and each mend is one value on a line of its own, with all ids that are known", () => {
  const lines = jsonOf({ check: "leases", findings: [fault], mends: [mend] })
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines).toEqual([
    { check: "leases", level: "mended", ...mend },
    { check: "leases", ...fault },
  ]);
  expect(JSON.parse(jsonOf({ check: "jobs", skipped: "schema" }))).toEqual({
    check: "jobs",
    level: "skipped",
    code: "SKIPPED",
    needs: "schema",
  });
});

test("neither form shows a credential, and nothing in the text can steer a terminal", () => {
  const report = reportOf({
    level: "warn",
    code: "X",
    message: 'paused by eve ("\u001b[2J gone") at postgres://me:secret@db/x',
    ids: ["worker\u001b[31m"],
  });
  for (const text of [textOf(report), jsonOf(report)]) expect(text).not.toContain("secret");
  expect(textOf(report)).not.toContain("\u001b");
});

test("the last line counts what is wrong, mended and skipped, or says that nothing is wrong", () => {
  const none = { checks: 19, skipped: 0, warnings: 0, faults: 0, mended: 0 };
  expect(summaryOf(none, 0.84)).toBe("Nothing is wrong; 19 checks in 0.8 s.");
  expect(summaryOf({ ...none, skipped: 3, warnings: 1, faults: 2, mended: 1 }, 2)).toBe(
    "2 faults, 1 warning, 1 mended, 3 checks skipped; 16 checks in 2.0 s.",
  );
});

test("lengths of time and sizes read well", () => {
  expect([0.04, 3.25, 59.6, 119, 120, 3_700, 7_300, 200_000, -1].map(span)).toEqual([
    "0 s",
    "3.3 s",
    "60 s",
    "119 s",
    "2 min",
    "61 min",
    "2 h",
    "2 d",
    "0 s",
  ]);
  expect([5 * 1024 ** 3, 120 * 1024 ** 2].map(size)).toEqual(["5.0 GiB", "120 MiB"]);
});
