import fc from "fast-check";
import { expect, test } from "vitest";
import { attachment } from "../../../src/storage/content-disposition.ts";
import { parseRange } from "../../../src/storage/http-range.ts";

test.each([
  [undefined, 10, "whole"],
  ["bytes=0-3", 10, { start: 0, end: 4 }],
  ["bytes=4-", 10, { start: 4, end: 10 }],
  ["bytes=-3", 10, { start: 7, end: 10 }],
  ["bytes=-30", 10, { start: 0, end: 10 }],
  ["bytes=8-99", 10, { start: 8, end: 10 }],
  ["bytes=10-", 10, "unsatisfiable"],
  ["bytes=-0", 10, "unsatisfiable"],
  ["bytes=0-0", 0, "unsatisfiable"],
  ["bytes=3-2", 10, "whole"],
  ["bytes=0-1,3-4", 10, "whole"],
  ["bytes=-", 10, "whole"],
  ["items=0-1", 10, "whole"],
  ["bytes=1e1-", 10, "whole"],
] as const)("range %j of %i bytes is %j", (header, size, answer) => {
  expect(parseRange(header, size)).toEqual(answer);
});

test("a file name reaches the client whole, and never breaks out of its header", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (name) => {
      const header = attachment(name);
      expect(header).toMatch(
        /^attachment(; filename="[\x20-\x21\x23-\x5b\x5d-\x7e]*"(; filename\*=UTF-8''[\w.!~%-]*)?)?$/,
      );
    }),
    { numRuns: 2_000 },
  );
  expect(attachment("plain.txt")).toBe('attachment; filename="plain.txt"');
  expect(attachment('Bericht "März" €.pdf')).toBe(
    `attachment; filename="Bericht _M_rz_ _.pdf"; filename*=UTF-8''Bericht%20%22M%C3%A4rz%22%20%E2%82%AC.pdf`,
  );
  expect(attachment("a\r\nSet-Cookie: b")).toBe('attachment; filename="aSet-Cookie: b"');
});
