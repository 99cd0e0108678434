import fc from "fast-check";
import { expect, test } from "vitest";
import {
  ACCOUNT_POLICY,
  ADDRESS_POLICY,
  decayedFailures,
  throttleDelayMs,
} from "../../../src/auth/throttle.ts";

test("five failures are free, then the wait doubles from one second to a quarter of an hour", () => {
  const waits = [0, 1, 5, 6, 7, 8, 15, 16, 1e9].map((failures) => throttleDelayMs(failures, ACCOUNT_POLICY));
  expect(waits).toEqual([0, 0, 0, 1_000, 2_000, 4_000, 512_000, 900_000, 900_000]);
});

test("no number of failures locks an account for longer than the cap", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e300, noNaN: true }), (failures) => {
      for (const policy of [ACCOUNT_POLICY, ADDRESS_POLICY]) {
        const wait = throttleDelayMs(failures, policy);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThanOrEqual(policy.capMs);
      }
    }),
  );
});

test("quiet forgets failures", () => {
  expect(decayedFailures(5, 3_600_000, ACCOUNT_POLICY)).toBe(0);
  expect(decayedFailures(5, 0, ACCOUNT_POLICY)).toBe(5);
  expect(decayedFailures(5, -1_000, ACCOUNT_POLICY)).toBe(5);
  expect(decayedFailures(61, 2_000, ADDRESS_POLICY)).toBe(60);
});
