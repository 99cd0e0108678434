import fc from "fast-check";
import { expect, test } from "vitest";
import { dateOf, durationOf, millisecondsOf, timestampOf } from "../../../src/lib/wire-time.ts";

test("instants and durations go to the wire and back to the millisecond, before 1970 too", () => {
  fc.assert(
    fc.property(fc.integer({ min: -8_000_000_000_000, max: 8_000_000_000_000 }), (ms) => {
      const timestamp = timestampOf(new Date(ms));
      expect(timestamp?.nanos).toBeGreaterThanOrEqual(0);
      expect(dateOf(timestamp)?.getTime()).toBe(ms);
      if (ms >= 0) expect(millisecondsOf(durationOf(ms))).toBe(ms);
    }),
  );
});

test("an unset field is null and null is an unset field", () => {
  expect(timestampOf(null)).toBeUndefined();
  expect(dateOf(undefined)).toBeNull();
  expect(millisecondsOf(undefined)).toBeNull();
});
