import { expect, test } from "vitest";
import { makeApiKey, parseApiKey, secretMatches } from "../../../src/auth/api-key-format.ts";

test("a key is taken apart into its id and the secret whose hash is stored", () => {
  const { id, hash, text } = makeApiKey();
  expect(text).toMatch(/^slk_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/);
  const parts = parseApiKey(text);
  expect(parts?.id).toBe(id);
  expect(secretMatches(parts?.secret ?? "", hash)).toBe(true);
  expect(secretMatches(`${parts?.secret}`.replace(/.$/, "_"), hash)).toBe(false);
  expect(secretMatches(parts?.secret ?? "", Buffer.alloc(0))).toBe(false);
});

test("every single changed character is found by the checksum", () => {
  const { text } = makeApiKey();
  for (let i = 0; i < text.length; i++) {
    const other = text[i] === "a" ? "b" : "a";
    expect(parseApiKey(text.slice(0, i) + other + text.slice(i + 1)), `position ${i}`).toBeNull();
  }
});

test("other forms are no keys", () => {
  const { text } = makeApiKey();
  for (const wrong of [
    "",
    "slk_",
    `${text}x`,
    ` ${text}`,
    `${text}\n`,
    text.slice(0, -1),
    text.toUpperCase(),
  ]) {
    expect(parseApiKey(wrong)).toBeNull();
  }
});

test("the same randomness gives the same key, and all of it counts", () => {
  const zeros = makeApiKey((n) => Buffer.alloc(n));
  expect(zeros.text).toBe(makeApiKey((n) => Buffer.alloc(n)).text);
  expect(makeApiKey((n) => Buffer.alloc(n, 255)).text).toMatch(/^slk_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/);
});
