import fc from "fast-check";
import { expect, test } from "vitest";
import { createSecretBox } from "../../../src/lib/secret-box.ts";

const KEY = Buffer.alloc(32, 1);
const box = createSecretBox(KEY, "tests");

test("what was sealed opens to the same bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (secret, context) => {
      expect(Buffer.compare(box.open(box.seal(secret, context), context), secret)).toBe(0);
    }),
  );
});

test("a changed bit, another context, another purpose or another key opens nothing", () => {
  const sealed = box.seal("password", "job 1");
  for (let at = 0; at < sealed.length; at++) {
    const altered = Buffer.from(sealed);
    altered[at] = (altered[at] ?? 0) ^ 1;
    expect(() => box.open(altered, "job 1")).toThrow();
  }
  expect(() => box.open(sealed, "job 2")).toThrow();
  expect(() => createSecretBox(KEY, "others").open(sealed, "job 1")).toThrow();
  expect(() => createSecretBox(Buffer.alloc(32, 2), "tests").open(sealed, "job 1")).toThrow();
  expect(() => box.open(sealed.subarray(0, 20), "job 1")).toThrow();
});

test("the same secret never looks the same twice", () => {
  expect(box.seal("password", "job")).not.toEqual(box.seal("password", "job"));
});
