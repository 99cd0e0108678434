import fc from "fast-check";
import { expect, test } from "vitest";
import { bytes, clean, cleanText, counted, cut, duration, padTo, widthOf } from "../../../src/cli/text.ts";

test("nothing that comes through clean can steer a terminal", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const shown = clean(`\u001b[2J${text}\u001b]0;x\u0007\u009b31m\u202e`);
      expect([...shown].filter((c) => c < " " || (c >= "\u007f" && c <= "\u009f") || c === "\u202e")).toEqual(
        [],
      );
      expect(shown.isWellFormed()).toBe(true);
    }),
  );
});

test("cleanText keeps words, lines and tabs", () => {
  expect(cleanText("a\tb\r\nc \u001b[1mbold\u001b[0m \u0007é文🙂\n")).toBe("a\tb\nc bold é文🙂\n");
});

test("cut never exceeds the width and padTo hits it, with wide characters too", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("a", "é", "文", "🙂", "e\u0301", " ") }),
      fc.nat(30),
      (text, width) => {
        expect(widthOf(cut(text, width))).toBeLessThanOrEqual(width);
        expect(widthOf(padTo(text, width))).toBe(width);
      },
    ),
  );
});

test("durations read well, also where rounding leads into the next unit", () => {
  const given: [number, string][] = [
    [-5, "0 ms"],
    [0, "0 ms"],
    [850, "850 ms"],
    [999.6, "1 s"],
    [2_140, "2.1 s"],
    [30_000, "30 s"],
    [59_940, "59.9 s"],
    [59_970, "1 min"],
    [60_000, "1 min"],
    [119_700, "2 min"],
    [185_000, "3 min 5 s"],
    [3_599_600, "1 h"],
    [3_600_000, "1 h"],
    [5_400_000, "1 h 30 min"],
    [86_400_000, "24 h"],
    [172_770_000, "2 d"],
    [172_800_000, "2 d"],
    [795_600_000, "9 d 5 h"],
  ];
  for (const [ms, text] of given) expect({ ms, text: duration(ms) }).toEqual({ ms, text });
});

test("no duration has a part that is zero or as large as the unit before it", () => {
  const limits: Record<string, number> = { ms: 1_000, s: 60, min: 60, h: 48, d: Number.POSITIVE_INFINITY };
  fc.assert(
    fc.property(fc.double({ min: 1, max: 1e10, noNaN: true }), (ms) => {
      const parts = [...duration(ms).matchAll(/(\S+) ([a-z]+)/g)];
      for (const [i, [, count, unit = ""]] of parts.entries()) {
        expect(Number(count)).toBeGreaterThan(0);
        expect(Number(count)).toBeLessThan(i > 0 && unit === "h" ? 24 : (limits[unit] ?? 0));
      }
    }),
    { numRuns: 1_000 },
  );
});

test("sizes and counts read well", () => {
  const sizes = [1, 1_023, 1_024, 1_500, 1_048_570, 536_870_912, 5e15];
  expect(sizes.map(bytes)).toEqual(["1 B", "1023 B", "1 KiB", "1.5 KiB", "1 MiB", "512 MiB", "4547.5 TiB"]);
  expect([0, 1, 2].map((n) => counted(n, "worker"))).toEqual(["0 workers", "1 worker", "2 workers"]);
});
