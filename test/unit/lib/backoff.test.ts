import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs } from "../../../src/lib/backoff.ts";

const settings = fc.record({
  attempt: fc.integer({ min: 1, max: 10_000 }),
  baseMs: fc.integer({ min: 1, max: 60_000 }),
  capMs: fc.integer({ min: 1, max: 3_600_000 }),
  multiplier: fc.double({ min: 1, max: 10, noNaN: true }),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});

test("a delay is a whole number between 0 and its ceiling, however many attempts there were", () => {
  fc.assert(
    fc.property(settings, ({ attempt, random, ...options }) => {
      const delay = backoffMs(attempt, { ...options, random: () => random });
      const ceiling = Math.min(
        options.capMs,
        options.baseMs * options.multiplier ** Math.min(attempt - 1, 64),
      );
      expect(Number.isInteger(delay)).toBe(true);
      expect(delay).toBeGreaterThanOrEqual(0);
      expect(delay).toBeLessThanOrEqual(ceiling);
    }),
  );
});

test("the whole range is used: nothing at its lower end, the ceiling at its upper end", () => {
  const at = (attempt: number, random: number) =>
    backoffMs(attempt, { baseMs: 100, capMs: 1_000, multiplier: 2, random: () => random });
  expect([1, 2, 3, 4, 5].map((attempt) => at(attempt, 0.999999))).toEqual([100, 200, 400, 800, 1_000]);
  expect(at(9, 0)).toBe(0);
});

test("a delay before the first attempt is a mistake of the caller", () => {
  expect(() => backoffMs(0, { baseMs: 1, capMs: 1, multiplier: 1, random: () => 0 })).toThrow(RangeError);
});
