import fc from "fast-check";
import { expect, test } from "vitest";
import { createTokenBuckets, type TokenBuckets } from "../../../src/rpc/rates/buckets.ts";

const RATE = { perSecond: 10, burst: 100 };

function clocked(maxKeys = 1_000) {
  const time = { ms: 0 };
  return { time, buckets: createTokenBuckets(RATE, { now: () => time.ms, maxKeys }) };
}

/** How many of so many calls are let through. */
const passed = (buckets: TokenBuckets, key: string, calls: number) =>
  Array.from({ length: calls }, () => buckets.take(key)).filter((waitMs) => waitMs === 0).length;

test("a burst passes at once, then as many as the rate says, and each refusal tells when the next one will", () => {
  const { time, buckets } = clocked();
  expect(passed(buckets, "a", 150)).toBe(100);
  expect(buckets.take("a")).toBe(100);
  time.ms = 50;
  expect(buckets.take("a")).toBe(50);
  time.ms = 101;
  expect(buckets.take("a")).toBe(0);
  time.ms = 10_101;
  expect(passed(buckets, "a", 150)).toBe(100);
  expect(passed(buckets, "b", 1)).toBe(1);
});

test("a clock that goes back gives nothing and takes nothing", () => {
  const { time, buckets } = clocked();
  time.ms = 1_000;
  passed(buckets, "a", 100);
  time.ms = 0;
  expect(buckets.take("a")).toBe(100);
});

test("a flood of keys takes no more memory than the greatest number, and whoever goes on calling is remembered", () => {
  const { buckets } = clocked(100);
  passed(buckets, "busy", 100);
  for (let i = 0; i < 10_000; i++) {
    buckets.take(`flood ${i}`);
    if (i % 50 === 0) expect(buckets.take("busy")).toBeGreaterThan(0);
  }
  expect(buckets.size).toBe(100);
  expect(buckets.due(1_000_000).length).toBeLessThanOrEqual(100);
});

test("a key that is used now and then is not settled; one that is used much is, with all that it spent", () => {
  const { buckets } = clocked();
  passed(buckets, "seldom", 9);
  passed(buckets, "often", 30);
  expect(buckets.due(10)).toEqual([{ key: "often", spent: 30 }]);
  passed(buckets, "often", 5);
  buckets.settled({ key: "often", spent: 30 }, 40);
  // 40 were left for all; 5 of them are spent here meanwhile.
  expect(passed(buckets, "often", 100)).toBe(35);
});

test("a key that was forgotten while it was settled gets no more than all have left", () => {
  const { buckets } = clocked(1);
  passed(buckets, "a", 30);
  const [spending] = buckets.due(1);
  passed(buckets, "another", 1);
  passed(buckets, "a", 1);
  buckets.settled(spending!, 70);
  expect(passed(buckets, "a", 100)).toBe(70);
  expect(buckets.due(1)).toEqual([{ key: "a", spent: 70 }]);
});

test("processes that share a bucket let through a burst each at most, and in the long run the rate", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 60 }), (processes, perTick) => {
      const time = { ms: 0 };
      const shared = { tokens: RATE.burst, atMs: 0 };
      const fleet = Array.from({ length: processes }, () =>
        createTokenBuckets(RATE, { now: () => time.ms, maxKeys: 10 }),
      );
      let admitted = 0;
      const seconds = 120;
      for (time.ms = 0; time.ms < seconds * 1_000; time.ms += 500) {
        for (const buckets of fleet) admitted += passed(buckets, "a", perTick);
        for (const buckets of fleet) {
          for (const spending of buckets.due(10)) {
            const filled = shared.tokens + ((time.ms - shared.atMs) / 1_000) * RATE.perSecond;
            shared.tokens = Math.min(RATE.burst, filled) - spending.spent;
            shared.atMs = time.ms;
            buckets.settled(spending, shared.tokens);
          }
        }
      }
      expect(admitted).toBeLessThanOrEqual((processes + 1) * RATE.burst + seconds * RATE.perSecond);
    }),
    { numRuns: 50 },
  );
});
