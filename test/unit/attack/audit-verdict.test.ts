import { expect, test } from "vitest";
import type { Kind, Made } from "../../attack/audit/load.ts";
import { type Count, type Evidence, judge, judgeAnonymous } from "../../attack/audit/verdict.ts";

const KILLED = { server: 1, atMs: 100_000 };
const call = (id: string, kind: Kind, code = "ok", more: Partial<Made> = {}): Made => ({
  id,
  kind,
  code,
  server: 0,
  atMs: 0,
  ...more,
});
const evidence = (
  made: Made[],
  rows: Record<string, readonly [rows: number, begins?: number, ends?: number]>,
) =>
  ({
    made,
    killed: KILLED,
    counted: 0,
    there: new Set(),
    rows: new Map(
      Object.entries(rows).map(([id, [rows, begins = 0, ends = 0]]) => [
        id,
        { rows, successes: rows, begins, ends },
      ]),
    ),
  }) satisfies Evidence;
const breachesOf = (counts: Count[]) => counts.flatMap(({ breaches }) => breaches).map((text) => text[0]);

test("each change, each read and both ends of each stream are missed when they have no row, or one too many", () => {
  const made = [..."abcd"].map((id) => call(id, "create")).concat([..."efg"].map((id) => call(id, "get")));
  const rows = evidence(made, { a: [1], b: [2], d: [1], e: [1], f: [2] });
  expect(breachesOf(judge(rows))).toEqual(["b", "c", "f", "g"]);

  const streams = [..."abcdef"].map((id) => call(id, "watch")).concat(call("g", "watch", "not_found"));
  expect(
    breachesOf(
      judge(evidence(streams, { a: [2, 1, 1], b: [1, 1], c: [1], d: [2, 2], e: [3, 1, 2], g: [1] })),
    ),
  ).toEqual(["b", "c", "d", "e", "f"]);
});

test("of what was answered just before the kill by the server that was killed, no change may be lost", () => {
  const just = { server: KILLED.server, atMs: KILLED.atMs - 50 };
  const made = [
    call("a", "create", "ok", just),
    call("b", "get", "ok", just),
    call("c", "watch", "ok", just),
    call("d", "get", "ok", { ...just, server: 0 }),
    call("e", "get", "ok", { ...just, atMs: just.atMs - 1_000 }),
  ];
  expect(breachesOf(judge(evidence(made, { c: [1, 1] })))).toEqual(["a", "d", "e"]);
});

test("anonymous calls are found with rows or counted, all but those of the last minute before the kill", () => {
  const made = [..."abcd"].map((id) => call(id, "anonymous", "unauthenticated"));
  const found = evidence(made, { a: [1] });
  expect(breachesOf(judge(found))).toEqual([]);
  expect(breachesOf(judgeAnonymous({ ...found, counted: 3 }))).toEqual([]);
  expect(breachesOf(judgeAnonymous({ ...found, counted: 2 }))).toEqual(["2"]);
  expect(breachesOf(judgeAnonymous({ ...found, counted: 4 }))).toEqual(["4"]);
  expect(breachesOf(judgeAnonymous({ ...evidence(made, { a: [2] }), counted: 3 }))).toEqual(["a"]);

  const with30s = (sign: number) => [
    ...made,
    call("e", "anonymous", "unauthenticated", { server: 1, atMs: KILLED.atMs + sign * 30_000 }),
  ];
  expect(breachesOf(judgeAnonymous({ ...found, made: with30s(-1), counted: 3 }))).toEqual([]);
  expect(breachesOf(judgeAnonymous({ ...found, made: with30s(1), counted: 3 }))).toEqual(["3"]);
});
