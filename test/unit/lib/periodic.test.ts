import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createPeriodic } from "../../../src/lib/periodic.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("the first turn may come earlier than the others", async () => {
  const work = vi.fn(async () => {});
  const periodic = createPeriodic(work, 100, 10);
  await periodic.start();
  await vi.advanceTimersByTimeAsync(20);
  expect(work).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(100);
  expect(work).toHaveBeenCalledTimes(2);
  await periodic.stop();
});

test("work is done at each interval, never twice at once, and a stop waits for its end", async () => {
  const turns: PromiseWithResolvers<void>[] = [];
  const periodic = createPeriodic(() => {
    const turn = Promise.withResolvers<void>();
    turns.push(turn);
    return turn.promise;
  }, 100);
  await periodic.start();
  await vi.advanceTimersByTimeAsync(350);
  expect(turns).toHaveLength(1);
  turns[0]?.resolve();
  await vi.advanceTimersByTimeAsync(100);
  expect(turns).toHaveLength(2);
  let stopped = false;
  const stop = Promise.resolve(periodic.stop()).then(() => {
    stopped = true;
  });
  await vi.advanceTimersByTimeAsync(500);
  expect([turns.length, stopped]).toEqual([2, false]);
  turns[1]?.resolve();
  await stop;
  expect(vi.getTimerCount()).toBe(0);
});
