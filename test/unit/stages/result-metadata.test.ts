import { expect, test } from "vitest";
import { toWire } from "../../../src/stages/host/faults.ts";
import { resultMetadata } from "../../../src/stages/host/result-metadata.ts";
import { documentOf } from "./support.ts";

const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value));

test("the metadata of an ordinary document is whole", () => {
  const metadata = resultMetadata(documentOf([], { properties: { title: "T" }, facts: { words: 3 } }));
  expect(metadata).toMatchObject({
    mediaType: "application/pdf",
    properties: { title: "T" },
    facts: { words: 3 },
    chunkCount: 0,
  });
  expect(metadata).not.toHaveProperty("truncated");
});

test("the metadata never exceeds 256 KiB and says which lists were cut, and how long they were", () => {
  const warnings = Array.from({ length: 50_000 }, (_, i) => ({ code: "PART_SKIPPED", message: `part ${i}` }));
  const metadata = resultMetadata(documentOf([], { warnings, facts: { keyPhrases: ["kept"] } }));
  expect(bytes(metadata)).toBeLessThanOrEqual(256 * 1024);
  expect(metadata.truncated).toEqual({ warnings: 50_000 });
  expect(metadata.facts).toEqual({ keyPhrases: ["kept"] });
});

test("properties without bound of their own do not break the bound either", () => {
  const extra = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`key ${i}`, "x".repeat(50)]));
  const metadata = resultMetadata(documentOf([], { properties: { extra, title: "t".repeat(1e6) } }));
  expect(bytes(metadata)).toBeLessThanOrEqual(256 * 1024);
  expect(metadata.truncated).toBeDefined();
});

test.each([
  ["open '/work/app/data/secret file.txt'", ["/work/app"]],
  ["Cannot find module 'file:///srv/sluice/src/x.ts'", []],
  ["ENOENT: /var/lib/sluice/tmp/9/source.bin", []],
])("a message crosses without paths: %s", (message, hidden) => {
  const fault = toWire(new Error(message), hidden);
  expect(fault).toMatchObject({ type: "other" });
  expect(JSON.stringify(fault)).not.toMatch(/\/(work|srv|var)/);
});

test("whatever is thrown crosses as a short sentence", () => {
  for (const thrown of [
    undefined,
    null,
    7,
    {},
    "text",
    new Error(""),
    new Error("x".repeat(1e6)),
    { reason: 3 },
  ]) {
    const fault = toWire(thrown, []);
    expect(fault.type).toBe("other");
    expect(bytes(fault)).toBeLessThan(2_500);
  }
  expect(toWire(new RangeError("Array buffer allocation failed"), [])).toEqual({ type: "memory" });
});
