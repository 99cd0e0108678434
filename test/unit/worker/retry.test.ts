import { expect, test } from "vitest";
import type { JobError } from "../../../src/jobs/model.ts";
import type { RetryPolicy, StageConfig } from "../../../src/pipelines/model.ts";
import { nextAttemptInMs } from "../../../src/worker/retry.ts";

const error = (retryable: boolean): JobError => ({ reason: "STAGE_FAILED", message: "m", retryable });
const stage = (retry: Partial<RetryPolicy>): StageConfig => ({
  name: "s",
  type: "extract",
  options: {},
  retry,
});
const most = () => 0.999999;

test("a failure that trying again cannot mend is final at the first attempt", () => {
  const failure = { error: error(false), attempt: 1, maxAttempts: 5, stage: null };
  expect(nextAttemptInMs(failure, most)).toBeNull();
});

test("the attempts of the job end the trying, or those of the stage when they are fewer", () => {
  const at = (attempt: number, maxAttempts: number, policy: StageConfig | null) =>
    nextAttemptInMs({ error: error(true), attempt, maxAttempts, stage: policy }, most) !== null;
  expect([1, 2, 3].map((attempt) => at(attempt, 3, null))).toEqual([true, true, false]);
  expect([1, 2].map((attempt) => at(attempt, 3, stage({ maxAttempts: 2 })))).toEqual([true, false]);
  expect([1, 2, 3].map((attempt) => at(attempt, 3, stage({ maxAttempts: 9 })))).toEqual([true, true, false]);
});

test("the wait grows from attempt to attempt up to the policy's bound", () => {
  const policy = stage({ initialBackoffMs: 10, maxBackoffMs: 35, multiplier: 2 });
  const waits = [1, 2, 3, 4].map((attempt) =>
    nextAttemptInMs({ error: error(true), attempt, maxAttempts: 9, stage: policy }, most),
  );
  expect(waits).toEqual([10, 20, 35, 35]);
});
