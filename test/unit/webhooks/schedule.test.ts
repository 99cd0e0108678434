import { expect, test } from "vitest";
import {
  afterFailure,
  HEALTHY,
  isGivenUp,
  MAX_ATTEMPTS,
  nextWaitMs,
  slotsOf,
} from "../../../src/webhooks/schedule.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

const failuresInARow = (count: number, everyMs: number) => {
  let state = HEALTHY;
  for (let i = 0; i < count; i++) state = afterFailure(state, i * everyMs);
  return state;
};

test("the waits are those of Standard Webhooks, a fifth more or less, and end after ten attempts", () => {
  const waits = Array.from({ length: MAX_ATTEMPTS }, (_, i) => nextWaitMs(i + 1, undefined, 0.5));
  expect(waits).toEqual(
    [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
      .map((s) => s * SECOND)
      .concat(null as never),
  );
  expect(nextWaitMs(1, undefined, 0)).toBe(4 * SECOND);
  expect(nextWaitMs(1, undefined, 1)).toBe(6 * SECOND);
});

test("an endpoint's wish makes a wait longer, and never shorter", () => {
  expect(nextWaitMs(1, 60 * SECOND, 0.5)).toBe(60 * SECOND);
  expect(nextWaitMs(2, 60 * SECOND, 0.5)).toBe(300 * SECOND);
  expect(nextWaitMs(MAX_ATTEMPTS, 60 * SECOND, 0.5)).toBeNull();
});

test("from the fifth failure in a row an endpoint is left alone, each time twice as long, for half an hour at most", () => {
  const pauses = Array.from({ length: 14 }, (_, i) => {
    const { pausedUntil } = failuresInARow(i + 1, SECOND);
    return (pausedUntil - i * SECOND) / SECOND;
  });
  expect(pauses).toEqual([0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1_800, 1_800, 1_800, 1_800]);
});

test("an endpoint that fails is probed by one attempt at a time", () => {
  expect(slotsOf(HEALTHY)).toBe(4);
  expect(slotsOf(afterFailure(HEALTHY, 0))).toBe(1);
});

test("an endpoint is given up after five days of nothing but failures, and not for two far apart", () => {
  const tenth = failuresInARow(10, 12 * HOUR);
  expect(isGivenUp(tenth, 5 * 24 * HOUR - 1)).toBe(false);
  expect(isGivenUp(tenth, 5 * 24 * HOUR)).toBe(true);
  expect(isGivenUp(failuresInARow(2, 200 * HOUR), 400 * HOUR)).toBe(false);
  expect(isGivenUp(HEALTHY, 5 * 24 * HOUR)).toBe(false);
});
