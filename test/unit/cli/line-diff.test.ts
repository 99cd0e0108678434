import fc from "fast-check";
import { expect, test } from "vitest";
import { lineDiff } from "../../../src/cli/line-diff.ts";

const text = (...lines: string[]) => `${lines.join("\n")}\n`;

test("equal texts have no difference", () => {
  expect(lineDiff("", "")).toEqual([]);
  expect(lineDiff(text("a", "b"), text("a", "b"))).toEqual([]);
});

test("a change is shown with three lines around it, and what is left out as an ellipsis", () => {
  const lines = Array.from({ length: 20 }, (_, i) => `line ${i}`);
  const changed = lines.with(10, "new");
  expect(lineDiff(text(...lines), text(...changed))).toEqual([
    "  …",
    "  line 7",
    "  line 8",
    "  line 9",
    "- line 10",
    "+ new",
    "  line 11",
    "  line 12",
    "  line 13",
    "  …",
  ]);
});

test("from a difference without context both texts can be had again", () => {
  const lines = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 12 });
  fc.assert(
    fc.property(lines, lines, (before, after) => {
      const diff = lineDiff(before.length ? text(...before) : "", after.length ? text(...after) : "");
      const gone = diff.filter((line) => line.startsWith("-")).map((line) => line.slice(2));
      const added = diff.filter((line) => line.startsWith("+")).map((line) => line.slice(2));
      const kept = (all: readonly string[], changed: string[]) => all.length - changed.length;
      expect(kept(before, gone)).toBe(kept(after, added));
      expect(diff.length === 0).toBe(before.join() === after.join());
    }),
  );
});

test("texts that are too large to compare line by line are shown as replaced", () => {
  const [before, after] = ["a", "b"].map((sign) =>
    text(...Array.from({ length: 3_000 }, (_, i) => `${sign}${i}`)),
  );
  expect(lineDiff(before ?? "", after ?? "")).toHaveLength(6_000);
});
