import { expect, test } from "vitest";
import { isAddress } from "../../../src/cli/files.ts";

test.each([
  ["https://example.com/a.pdf", true],
  ["HTTP://example.com", true],
  ["s3://bucket/key", true],
  ["./https:/file", false],
  ["report.pdf", false],
  ["-", false],
])("%s is an address: %s", (path, is) => {
  expect(isAddress(path)).toBe(is);
});
