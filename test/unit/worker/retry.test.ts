import { expect, test } from "vitest";
import type { JobError } from "../../../src/jobs/model.ts";
import { nextAttemptInMs } from "../../../src/worker/retry.ts";

const error = (retryable: boolean): JobError => ({ reason: "STAGE_FAILED", message: "m", retryable });
const most = () => 0.999999;

test("a failure that trying again cannot mend is final at the first attempt", () => {
  expect(nextAttemptInMs({ error: error(false), attempt: 1, maxAttempts: 5 }, most)).toBeNull();
});

test("the attempts of the job end the trying", () => {
  const at = (attempt: number) =>
    nextAttemptInMs({ error: error(true), attempt, maxAttempts: 3 }, most) !== null;
  expect([1, 2, 3].map(at)).toEqual([true, true, false]);
});

test("the wait grows from attempt to attempt up to a minute, and is random below that", () => {
  const wait = (attempt: number, random: () => number) =>
    nextAttemptInMs({ error: error(true), attempt, maxAttempts: 99 }, random);
  expect([1, 2, 3, 7, 20].map((attempt) => wait(attempt, most))).toEqual([
    1_000, 2_000, 4_000, 60_000, 60_000,
  ]);
  expect(wait(3, () => 0)).toBe(0);
});

test("whoever asks to be left alone for longer is, for an hour at the most", () => {
  const wait = (retryAfterMs?: number) =>
    nextAttemptInMs({ error: error(true), attempt: 1, maxAttempts: 3, retryAfterMs }, most);
  expect([undefined, 10, 90_000, 86_400_000].map(wait)).toEqual([1_000, 1_000, 90_000, 3_600_000]);
});
