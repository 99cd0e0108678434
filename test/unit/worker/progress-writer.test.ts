import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { NewEvent } from "../../../src/events/model.ts";
import { createProgressWriter } from "../../../src/worker/progress-writer.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

type Update = { share: number; message: string | null; events: readonly NewEvent[] };

function writer(write: (update: Update) => Promise<void>) {
  const errors: unknown[] = [];
  const progress = createProgressWriter({
    stage: "extract",
    jobPercent: (share) => share * 10,
    write,
    onError: (error) => errors.push(error),
  });
  return { ...progress, errors };
}

test("a thousand reports become two writes a second, each with the newest", async () => {
  const writes: Update[] = [];
  const { progress } = writer(async (update) => void writes.push(update));
  for (let i = 1; i <= 1_000; i++) {
    progress(i / 1_000, `page ${i}`);
    await vi.advanceTimersByTimeAsync(2);
  }
  expect(writes.length).toBeGreaterThan(2);
  expect(writes.length).toBeLessThanOrEqual(4);
  const shares = writes.map(({ share }) => share);
  expect(shares).toEqual([...shares].sort((a, b) => a - b));
  expect(writes.every(({ events }) => events.length === 1)).toBe(true);
});

test("one write at a time: while one is under way the next one waits", async () => {
  const gates: (() => void)[] = [];
  const { progress } = writer(() => new Promise((resolve) => void gates.push(resolve)));
  progress(0.1);
  await vi.advanceTimersByTimeAsync(500);
  progress(0.2);
  await vi.advanceTimersByTimeAsync(500);
  expect(gates).toHaveLength(1);
  gates[0]?.();
  await vi.advanceTimersByTimeAsync(0);
  expect(gates).toHaveLength(2);
});

test("a flush writes the log lines that wait and drops progress that the end of the stage overtakes", async () => {
  const writes: Update[] = [];
  const { progress, log, flush } = writer(async (update) => void writes.push(update));
  progress(0.5);
  log("warn", "odd");
  await flush();
  expect(writes.flatMap(({ events }) => events.map(({ type }) => type))).toEqual(["log"]);
  expect(vi.getTimerCount()).toBe(0);
});

test("a share outside of 0 to 1, or no number at all, is brought inside", async () => {
  const writes: Update[] = [];
  const { progress } = writer(async (update) => void writes.push(update));
  for (const share of [-1, 7, Number.NaN, Number.POSITIVE_INFINITY]) {
    progress(share);
    await vi.advanceTimersByTimeAsync(500);
  }
  expect(writes.map(({ share }) => share)).toEqual([0, 1, 0, 0]);
});

test("a write that fails is told once and breaks nothing that comes after", async () => {
  let calls = 0;
  const failing = writer(async () => {
    if (++calls === 1) throw new Error("refused");
  });
  failing.progress(0.1);
  await vi.advanceTimersByTimeAsync(500);
  expect(failing.errors).toHaveLength(1);
  failing.log("info", "later");
  await failing.flush();
  expect(calls).toBe(2);
  expect(failing.errors).toHaveLength(1);
});
