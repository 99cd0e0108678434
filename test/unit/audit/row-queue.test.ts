import { expect, test } from "vitest";
import { createRowQueue } from "../../../src/audit/row-queue.ts";

test("rows come out in their order, and stay until they are dropped", () => {
  let ms = 0;
  const queue = createRowQueue(() => ms);
  for (const row of ["a", "b", "c"]) queue.add(row);
  ms = 30;
  expect(queue.peek(2)).toEqual(["a", "b"]);
  expect(queue.oldestMs()).toBe(30);
  queue.drop(2);
  expect(queue.peek(9)).toEqual(["c"]);
  queue.drop(1);
  expect(queue.oldestMs()).toBe(0);
});

test("it takes 10,000 rows and 32 MiB at the most, and more when some are gone", () => {
  const many = createRowQueue();
  const taken = Array.from({ length: 10_001 }, () => many.add("x")).filter(Boolean);
  expect(taken).toHaveLength(10_000);
  many.drop(1);
  expect(many.add("x")).toBe(true);
  const heavy = createRowQueue();
  const mebibyte = "x".repeat(512 * 1024);
  expect(Array.from({ length: 40 }, () => heavy.add(mebibyte)).filter(Boolean)).toHaveLength(32);
});
