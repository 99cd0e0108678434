import fc from "fast-check";
import { expect, test } from "vitest";
import { clean, cleanText, cut, duration, padTo, widthOf } from "../../../src/cli/text.ts";

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

test("durations read well", () => {
  const given = [0, 850, 2_140, 60_000, 185_000, 3_600_000, 5_400_000, 86_400_000];
  expect(given.map(duration)).toEqual([
    "0 ms",
    "850 ms",
    "2.1 s",
    "1 min",
    "3 min 5 s",
    "1 h",
    "1 h 30 min",
    "24 h",
  ]);
});
