import { expect, test } from "vitest";
import { nearest } from "../../../src/lib/nearest.ts";

const KNOWN = ["jobs:read", "jobs:read:any", "users:create", "roles:create"];

test("a typing error leads to the word that was meant", () => {
  expect(nearest("jobs:raed", KNOWN)).toBe("jobs:read");
  expect(nearest("job:read:any", KNOWN)).toBe("jobs:read:any");
  expect(nearest("user:create", KNOWN)).toBe("users:create");
});

test("of words that are equally near the first one is meant, and one that is not near is none", () => {
  expect(nearest("ab", ["abc", "abd"])).toBe("abc");
  expect(nearest("nothing:alike", KNOWN)).toBeUndefined();
  expect(nearest("", KNOWN)).toBeUndefined();
  expect(nearest("jobs:read", [])).toBeUndefined();
});
