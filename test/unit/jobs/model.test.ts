import fc from "fast-check";
import { expect, test } from "vitest";
import {
  canBecome,
  isFinal,
  type JobStatus,
  PRIORITIES,
  percentDone,
  priorityOfRank,
  priorityRank,
  statusesBefore,
} from "../../../src/jobs/model.ts";

const ALL: readonly JobStatus[] = ["CREATED", "PROCESSING", "CANCELLING", "CANCELLED", "COMPLETED", "FAILED"];

test("the table of transitions is the one of the architecture, no step more and no step less", () => {
  const steps = ALL.flatMap((from) => ALL.filter((to) => canBecome(from, to)).map((to) => `${from} ${to}`));
  expect(steps.sort()).toEqual(
    [
      "CREATED PROCESSING",
      "CREATED CANCELLED",
      "PROCESSING COMPLETED",
      "PROCESSING FAILED",
      "PROCESSING CREATED",
      "PROCESSING CANCELLING",
      "CANCELLING CANCELLED",
      "CANCELLED CREATED",
      "FAILED CREATED",
    ].sort(),
  );
});

test("statusesBefore is the table read backwards", () => {
  for (const to of ALL) expect(statusesBefore(to)).toEqual(ALL.filter((from) => canBecome(from, to)));
});

test("a final job moves only when it is put in the line again, and a completed one never", () => {
  for (const from of ALL.filter(isFinal)) {
    expect(ALL.filter((to) => canBecome(from, to))).toEqual(from === "COMPLETED" ? [] : ["CREATED"]);
  }
});

test("a share of a job lies between 0 and 100 and grows with what is done", () => {
  const facts = fc.record({
    stagesTotal: fc.integer({ min: 1, max: 50 }),
    done: fc.double({ min: 0, max: 1, noNaN: true }),
    stageShare: fc.double({ min: -2, max: 2, noNaN: true }),
  });
  fc.assert(
    fc.property(facts, ({ stagesTotal, done, stageShare }) => {
      const stagesDone = Math.floor(done * stagesTotal);
      const job = { status: "PROCESSING", stagesDone, stagesTotal, stageShare } as const;
      const percent = percentDone(job);
      expect(percent).toBeGreaterThanOrEqual(0);
      expect(percent).toBeLessThanOrEqual(100);
      expect(percentDone({ ...job, stageShare: stageShare + 0.5 })).toBeGreaterThanOrEqual(percent);
      expect(percentDone({ ...job, status: "COMPLETED" })).toBe(100);
    }),
  );
  expect(percentDone({ status: "CREATED", stagesDone: 0, stagesTotal: 0, stageShare: 0 })).toBe(0);
  expect(percentDone({ status: "PROCESSING", stagesDone: 2, stagesTotal: 7, stageShare: 0.5 })).toBe(35.7);
});

test("ranks of priorities go there and back, and an unknown rank is refused", () => {
  for (const priority of PRIORITIES) expect(priorityOfRank(priorityRank(priority))).toBe(priority);
  expect(PRIORITIES.map(priorityRank)).toEqual([0, 1, 2]);
  expect(() => priorityOfRank(3)).toThrow(RangeError);
});
