import { resolve, sep } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ObjectKeyError } from "../../../src/storage/errors.ts";
import { fileOfKey, isObjectKey } from "../../../src/storage/keys.ts";

const ROOT = resolve("/objects");
const part = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,12}$/);
const key = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"));
// Pieces that attacks are made of, in any order, among arbitrary text.
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom("..", ".", "/", "\\", "\0", "%2e", "~", "+", "\n", "a", "C:"),
      fc.string({ unit: "binary" }),
    ),
  )
  .map((pieces) => pieces.join(""));

test("whatever text comes as a key, its file lies below the root, or the key is refused", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        hostile,
        key,
        fc.tuple(key, hostile).map((two) => two.join("/")),
      ),
      (text) => {
        if (!isObjectKey(text)) {
          expect(() => fileOfKey(ROOT, text)).toThrow(ObjectKeyError);
          return;
        }
        const file = fileOfKey(ROOT, text);
        expect(file.startsWith(ROOT + sep)).toBe(true);
        expect(resolve(file)).toBe(file);
        expect(new URL(`http://host/files/${text}`).pathname).toBe(`/files/${text}`);
      },
    ),
    { numRuns: 2_000 },
  );
});

test("two keys never share a file, and none is the folder of another", () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      fc.pre(a !== b);
      const [one, two] = [fileOfKey(ROOT, a), fileOfKey(ROOT, b)];
      expect(one).not.toBe(two);
      expect(two.startsWith(one + sep) || one.startsWith(two + sep)).toBe(false);
    }),
    { numRuns: 2_000 },
  );
  expect(fileOfKey(ROOT, "a/b").startsWith(fileOfKey(ROOT, "a") + sep)).toBe(false);
});

test.each([
  "",
  "/",
  "/etc/passwd",
  "a/../b",
  "..",
  ".hidden",
  "a//b",
  "a/",
  "a\0b",
  "a\\b",
  "a b",
  "ä",
  "x".repeat(513),
])("refuses %j", (text) => {
  expect(isObjectKey(text)).toBe(false);
});
