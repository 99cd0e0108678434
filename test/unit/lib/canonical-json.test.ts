import { expect, test } from "vitest";
import { canonicalJson } from "../../../src/lib/canonical-json.ts";

test("equal values have one text, as RFC 8785 says: keys in the order of code units, those like numbers too", () => {
  const value = {
    "\u20ac": 1,
    "\r": 2,
    "10": 3,
    "9": 4,
    "\ud83d\ude00": 5,
    "\ufb33": 6,
    a: { z: [1e30, 4.5, 2e-3, -0], b: '\u000f"\\' },
  };
  expect(canonicalJson(value)).toBe(
    '{"\\r":2,"10":3,"9":4,"a":{"b":"\\u000f\\"\\\\","z":[1e+30,4.5,0.002,0]},"\u20ac":1,"\ud83d\ude00":5,"\ufb33":6}',
  );
});

test("what JSON leaves out or converts is left out and converted", () => {
  expect(canonicalJson({ b: undefined, a: new Date(0), c: [undefined] })).toBe(
    '{"a":"1970-01-01T00:00:00.000Z","c":[null]}',
  );
});
