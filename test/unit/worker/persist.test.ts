import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { persist } from "../../../src/worker/persist.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const away = () => Object.assign(new Error("away"), { code: "CONNECTION_CLOSED" });

function begin(
  work: (again: boolean) => Promise<unknown>,
  { untilMs = 60_000, longestMs = 60_000, random = 0.999 } = {},
) {
  const stop = new AbortController();
  const startedAt = performance.now();
  const losses: unknown[] = [];
  const tries: { at: number; again: boolean }[] = [];
  const end = persist(
    (again) => {
      tries.push({ at: Math.round(performance.now() - startedAt), again });
      return work(again);
    },
    {
      until: () => startedAt + untilMs,
      longestMs,
      signals: [stop.signal],
      now: () => performance.now(),
      random: () => random,
      onLoss: (error) => losses.push(error),
    },
  ).catch((error: unknown) => error);
  return { stop, losses, tries, end };
}

test("work that a lost connection stops is done again until it succeeds, and told from the second time on that it may be done already", async () => {
  let calls = 0;
  const run = begin(async () => {
    if (++calls < 4) throw away();
    return "written";
  });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await run.end).toBe("written");
  expect(run.tries.map(({ again }) => again)).toEqual([false, true, true, true]);
  expect(run.losses).toHaveLength(1);
});

test.each([
  [0, [0, 50, 150, 350, 750, 1_550, 2_550, 3_550]],
  [0.9999, [0, 100, 300, 700, 1_500, 3_100, 5_100, 7_100]],
])("pauses double from 100 ms to 2 s, half of each is chance (%d)", async (random, wanted) => {
  const run = begin(() => Promise.reject(away()), { random, untilMs: 7_200 });
  await vi.advanceTimersByTimeAsync(8_000);
  const firsts = run.tries.slice(0, wanted.length).map(({ at }) => at);
  for (const [i, at] of firsts.entries()) expect(Math.abs(at - (wanted[i] ?? 0))).toBeLessThan(10);
});

test("it is given up with the last failure when its time is over, after a last try at that moment", async () => {
  const run = begin(() => Promise.reject(away()), { untilMs: 1_000 });
  await vi.advanceTimersByTimeAsync(999);
  expect(run.tries.at(-1)?.at).toBeLessThan(1_000);
  await vi.advanceTimersByTimeAsync(10);
  expect(await run.end).toMatchObject({ message: "away" });
  expect(run.tries.at(-1)?.at).toBeGreaterThanOrEqual(999);
  expect(vi.getTimerCount()).toBe(0);
});

test("a signal ends the wait at once", async () => {
  const run = begin(() => Promise.reject(away()));
  await vi.advanceTimersByTimeAsync(3_200);
  const before = run.tries.length;
  run.stop.abort();
  expect(await run.end).toMatchObject({ message: "away" });
  expect(run.tries.length - before).toBeLessThanOrEqual(1);
  expect(vi.getTimerCount()).toBe(0);
});

test("any other failure is passed on at once", async () => {
  const reset = Object.assign(new Error("store"), { code: "ECONNRESET" });
  const run = begin(() => Promise.reject(reset));
  expect(await run.end).toBe(reset);
  expect(run.tries).toHaveLength(1);
  expect(run.losses).toEqual([]);
});

test("what fails for ever is given up after the longest wait, however long it would be of use", async () => {
  const run = begin(() => Promise.reject(away()), { untilMs: Number.POSITIVE_INFINITY, longestMs: 5_000 });
  await vi.advanceTimersByTimeAsync(4_900);
  expect(run.tries.length).toBeGreaterThan(3);
  await vi.advanceTimersByTimeAsync(200);
  expect(await run.end).toMatchObject({ message: "away" });
  expect(vi.getTimerCount()).toBe(0);
});
