import { RE2JS } from "re2js";
import { expect, test } from "vitest";
import { createPatternFinder } from "../../../../src/stages/redact/finder.ts";

test("a search that finds nothing in a long line tells again and again that it goes on", () => {
  let signs = 0;
  const find = createPatternFinder(["[a-z].{1,20}[A-Z]"], () => signs++);
  expect(find("abcdefghij".repeat(5_000))).toEqual([]);
  expect(signs).toBeGreaterThanOrEqual(50);
});

test.each([
  "(?s)a.*z",
  "\\bfoo(bar|baz)\\b",
  "^a|z$",
  "(?m)^\\w+$",
  "[😀-😎]+",
  "foo",
  "foo|baz|quux",
  "(?i)FOO\\w*",
  "x*",
])("patterns match what they match in a plain text, however far it reaches: %s", (pattern) => {
  const text = `a 😀😎 foo\nfoobaz\n${"foobar xx ".repeat(2_000)}quux 😀 z`;
  const expected = [];
  const matcher = RE2JS.compile(pattern).matcher(text);
  while (matcher.find())
    if (matcher.end() > matcher.start())
      expected.push({ kind: "pattern", start: matcher.start(), end: matcher.end() });
  expect(expected).not.toEqual([]);
  expect(createPatternFinder([pattern], () => {})(text)).toEqual(expected);
});
