import { expect, test } from "vitest";
import { createLimiter } from "../../../src/lib/limiter.ts";

const limits = { maxWaiting: 4, maxWaitingEach: 2, full: () => new Error("full") };

/** Work that lasts until it is let go, and how much of it runs. */
function works() {
  const running: (() => void)[] = [];
  return { running, work: () => new Promise<void>((end) => running.push(end)) };
}

test("so much runs at once, so much waits in order, and the rest is refused", async () => {
  const limited = createLimiter(2, limits);
  const { running, work } = works();
  const all = Array.from({ length: 7 }, () => limited(work));
  await expect(all[6]).rejects.toThrow("full");
  for (let ended = 0; ended < 6; ended++) {
    expect(running.length).toBe(Math.min(6, ended + 2));
    running[ended]?.();
    await all[ended];
    await Promise.resolve();
  }
});

test("what waits of one is bounded, and leaves room for others", async () => {
  const limited = createLimiter(1, limits);
  const { running, work } = works();
  const own = Array.from({ length: 4 }, () => limited(work, "one"));
  const other = limited(work, "other");
  await expect(own[3]).rejects.toThrow("full");
  for (const [index, done] of [own[0], own[1], own[2], other].entries()) {
    running[index]?.();
    await done;
    await Promise.resolve();
  }
});
