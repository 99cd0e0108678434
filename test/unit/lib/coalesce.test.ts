import fc from "fast-check";
import { expect, test } from "vitest";
import { type CoalescerOptions, createCoalescer } from "../../../src/lib/coalesce.ts";

const DEFAULTS = { lanes: 1, maxItems: 100, maxWeight: 1_000, weigh: () => 1 };

/** A coalescer whose batches wait to be answered, and the batches it began. */
function gated(options: Partial<CoalescerOptions<number, string>> = {}) {
  const batches: { items: readonly number[]; answer(): void; fail(error: Error): void }[] = [];
  const submit = createCoalescer<number, string>({
    ...DEFAULTS,
    run: (items) =>
      new Promise((resolve, reject) => {
        batches.push({ items, answer: () => resolve(items.map((item) => `done ${item}`)), fail: reject });
      }),
    ...options,
  });
  return { submit, batches };
}

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

test("an idle lane takes what is there at once; what comes while it is busy goes together in the next batch", async () => {
  const { submit, batches } = gated();
  const first = submit(1);
  await turn();
  const rest = [2, 3, 4].map(submit);
  await turn();
  expect(batches.map(({ items }) => items)).toEqual([[1]]);
  batches[0]?.answer();
  await turn();
  expect(batches.map(({ items }) => items)).toEqual([[1], [2, 3, 4]]);
  batches[1]?.answer();
  expect(await Promise.all([first, ...rest])).toEqual(["done 1", "done 2", "done 3", "done 4"]);
});

test("calls of one turn share the first batch", async () => {
  const { submit, batches } = gated();
  const calls = [1, 2, 3].map(submit);
  await turn();
  expect(batches.map(({ items }) => items)).toEqual([[1, 2, 3]]);
  batches[0]?.answer();
  await Promise.all(calls);
});

test("no batch is larger than its bounds, and a single item heavier than the bound goes alone", async () => {
  const sizes: number[][] = [];
  const submit = createCoalescer<number, number>({
    lanes: 1,
    maxItems: 3,
    maxWeight: 10,
    weigh: (item) => item,
    run: async (items) => {
      sizes.push([...items]);
      return items;
    },
  });
  await Promise.all([4, 4, 4, 50, 1, 1, 1, 1].map(submit));
  expect(sizes).toEqual([[4, 4], [4], [50], [1, 1, 1], [1]]);
});

test("never more batches under way than lanes", async () => {
  let under = 0;
  let most = 0;
  const submit = createCoalescer<number, number>({
    ...DEFAULTS,
    lanes: 2,
    maxItems: 1,
    run: async (items) => {
      most = Math.max(most, ++under);
      await turn();
      under--;
      return items;
    },
  });
  await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      for (let n = 0; n < i; n++) await turn();
      await submit(i);
    }),
  );
  expect(most).toBe(2);
});

test("an item that fails by itself fails alone; a batch that throws is tried item by item, and the bad one fails", async () => {
  const submit = createCoalescer<number, number>({
    ...DEFAULTS,
    run: async (items) => {
      if (items.includes(13)) throw new Error("thirteen");
      return items.map((item) => (item === 7 ? new Error("seven") : item * 10));
    },
  });
  const outcomes = await Promise.allSettled([1, 7, 2, 13, 3].map(submit));
  expect(outcomes.map((o) => (o.status === "fulfilled" ? o.value : (o.reason as Error).message))).toEqual([
    10,
    "seven",
    20,
    "thirteen",
    30,
  ]);
});

test("a failure that all share reaches all callers at once, without a try for each", async () => {
  let runs = 0;
  const submit = createCoalescer<number, number>({
    ...DEFAULTS,
    isShared: (error) => (error as Error).message === "away",
    run: async () => {
      runs++;
      throw new Error("away");
    },
  });
  const outcomes = await Promise.allSettled([1, 2, 3].map(submit));
  expect(outcomes.every(({ status }) => status === "rejected")).toBe(true);
  expect(runs).toBe(1);
});

test("a call made in any turn after the end of another is answered: no gap in which it would wait for ever", async () => {
  const submit = createCoalescer<number, number>({ ...DEFAULTS, run: async (items) => items });
  for (let gap = 0; gap < 20; gap++) {
    await submit(gap);
    for (let n = 0; n < gap; n++) await null;
    const answered = submit(100 + gap);
    const late = turn()
      .then(turn)
      .then(() => "never answered");
    expect(await Promise.race([answered, late])).toBe(100 + gap);
  }
});

test("every call gets the answer to its own item, whatever comes when", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(6), { maxLength: 40 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 5 }),
      async (delays, lanes, maxItems) => {
        const submit = createCoalescer<number, number>({
          ...DEFAULTS,
          lanes,
          maxItems,
          run: async (items) => {
            for (let n = 0; n < items.length; n++) await null;
            return items.map((item) => item * 2);
          },
        });
        const answers = await Promise.all(
          delays.map(async (delay, i) => {
            for (let n = 0; n < delay * i; n++) await null;
            return await submit(i);
          }),
        );
        expect(answers).toEqual(delays.map((_, i) => i * 2));
      },
    ),
    { numRuns: 50 },
  );
});
