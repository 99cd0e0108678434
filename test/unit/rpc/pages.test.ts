import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createPageTokens, InvalidPageTokenError, pageSize } from "../../../src/rpc/pages.ts";

const SECRET = Buffer.alloc(32, 7);
const tokens = createPageTokens(SECRET);
const filter = { list: "jobs", ownerId: "u1", statuses: ["FAILED"] };

test("a token brings its cursor back, whatever is in it", () => {
  const values = fc.array(fc.oneof(fc.string(), fc.integer()));
  fc.assert(
    fc.property(values, (cursor) => {
      expect(tokens.decode(filter, tokens.encode(filter, cursor))).toEqual(cursor);
    }),
  );
});

test("no token means the first page", () => {
  expect(tokens.decode(filter, "")).toBeNull();
});

test("the order of a filter's keys, and keys without a value, make no difference", () => {
  const token = tokens.encode({ a: 1, b: { c: 2, d: 3 } }, ["x"]);
  expect(tokens.decode({ b: { d: 3, c: 2 }, a: 1, e: undefined }, token)).toEqual(["x"]);
});

describe("a token is refused", () => {
  const token = tokens.encode(filter, ["2026-01-01T00:00:00.000Z", "id"]);

  test("when any character of it is another", () => {
    for (let i = 0; i < token.length; i++) {
      const other = token[i] === "A" ? "B" : "A";
      const altered = token.slice(0, i) + other + token.slice(i + 1);
      expect(() => tokens.decode(filter, altered)).toThrow(InvalidPageTokenError);
    }
  });

  test.each([
    ["cut", token.slice(0, -4)],
    ["longer", `${token}AAAA`],
    ["padded", `${token}=`],
    ["garbage", "%%%"],
    ["short", "AAAA"],
  ])("when it is %s", (_, bad) => {
    expect(() => tokens.decode(filter, bad)).toThrow(InvalidPageTokenError);
  });

  test("for another filter, another owner or another server's secret", () => {
    expect(() => tokens.decode({ ...filter, statuses: [] }, token)).toThrow(InvalidPageTokenError);
    expect(() => tokens.decode({ ...filter, ownerId: "u2" }, token)).toThrow(InvalidPageTokenError);
    const foreign = createPageTokens(Buffer.alloc(32, 8));
    expect(() => foreign.decode(filter, token)).toThrow(InvalidPageTokenError);
  });
});

test("a page has 50 entries unless asked otherwise, and never more than 500", () => {
  expect([0, -1, 1, 500, 501, 2 ** 31 - 1].map(pageSize)).toEqual([50, 50, 1, 500, 500, 500]);
});
