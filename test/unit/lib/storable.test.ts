import fc from "fast-check";
import { expect, test } from "vitest";
import { isStorable, storable, storableJson } from "../../../src/lib/storable.ts";

const anyText = fc.string({
  unit: fc.oneof(fc.constantFrom("\0", "\ud83d", "\ude00", "\\", "u0000", '"'), fc.string()),
});

function everyText(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...everyText(inner)]);
}

test("what is made storable is storable, and a storable text stays as it is", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(isStorable(storable(text))).toBe(true);
      if (isStorable(text)) expect(storable(text)).toBe(text);
    }),
  );
});

test("JSON is made storable in every key and every text, and changes nothing else", () => {
  fc.assert(
    fc.property(
      fc.dictionary(anyText, fc.oneof(anyText, fc.array(anyText), fc.double(), fc.boolean())),
      (value) => {
        const parsed: unknown = JSON.parse(storableJson(value));
        for (const text of everyText(parsed)) expect(isStorable(text)).toBe(true);
        const plain: unknown = JSON.parse(JSON.stringify(value));
        if (everyText(plain).every(isStorable)) expect(parsed).toEqual(plain);
      },
    ),
  );
  expect(JSON.parse(storableJson({ a: "x\0y", b: "\ud800", c: "\\u0000", d: "😀" }))).toEqual({
    a: "x\ufffdy",
    b: "\ufffd",
    c: "\\u0000",
    d: "😀",
  });
});
