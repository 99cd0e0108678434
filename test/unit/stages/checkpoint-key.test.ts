import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "../../../src/lib/canonical-json.ts";
import { checkpointKey } from "../../../src/stages/checkpoint-key.ts";
import { stageTypes } from "../../../src/stages/registry.ts";

test("the key does not depend on the order of options, and on everything else", () => {
  const key = checkpointKey("chunk", 1, { a: 1, b: { c: 2, d: [1, 2] } }, "in");
  expect(key).toMatch(/^[0-9a-f]{64}$/);
  expect(checkpointKey("chunk", 1, { b: { d: [1, 2], c: 2 }, a: 1, e: undefined }, "in")).toBe(key);
  const others = [
    checkpointKey("quality", 1, { a: 1, b: { c: 2, d: [1, 2] } }, "in"),
    checkpointKey("chunk", 2, { a: 1, b: { c: 2, d: [1, 2] } }, "in"),
    checkpointKey("chunk", 1, { a: 1, b: { c: 2, d: [2, 1] } }, "in"),
    checkpointKey("chunk", 1, { a: 1, b: { c: 2, d: [1, 2] } }, "out"),
  ];
  expect(new Set([key, ...others]).size).toBe(5);
});

test("canonical JSON is the same for equal values and parses back", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const reversed = JSON.parse(JSON.stringify(value), (_key, inner) =>
        inner !== null && typeof inner === "object" && !Array.isArray(inner)
          ? Object.fromEntries(Object.entries(inner).reverse())
          : inner,
      );
      expect(canonicalJson(reversed)).toBe(canonicalJson(value));
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("the password of extract is in no key", () => {
  const key = checkpointKey("extract", 1, { max_pages: 0 }, "in");
  expect(checkpointKey("extract", 1, { max_pages: 0, password: "hunter2" }, "in")).toBe(key);
});

test("every stage has a schema for the catalogue, and options that parse to themselves", () => {
  expect(stageTypes().map((stage) => stage.type)).toEqual([
    "detect",
    "extract",
    "normalize",
    "enrich",
    "chunk",
    "quality",
    "redact",
  ]);
  for (const stage of stageTypes()) {
    expect(stage.optionsSchema?.()).toMatchObject({ type: "object", additionalProperties: false });
    const defaults = stage.parseOptions({});
    expect(stage.parseOptions(JSON.parse(JSON.stringify(defaults)))).toEqual(defaults);
    expect(() => stage.parseOptions({ nonsense: 1 })).toThrow("nonsense: This stage has no such option.");
    expect(() => stage.parseOptions("text")).toThrow();
  }
});
