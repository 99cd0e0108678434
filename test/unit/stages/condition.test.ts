import { expect, test } from "vitest";
import { conditionFault, evaluateCondition } from "../../../src/stages/condition.ts";
import type { WorkingDocument } from "../../../src/stages/stage.ts";

const source = { filename: "a.pdf", declaredMediaType: "application/x", sizeBytes: 1_000, sha256: "ab" };
const fresh: WorkingDocument = { source, properties: {}, facts: {}, warnings: [] };
const read: WorkingDocument = {
  ...fresh,
  mediaType: "application/pdf",
  properties: { title: "T" },
  facts: { words: 120, language: "en" },
  pages: [
    { page: 1, characters: 10, images: 0 },
    { page: 2, characters: 0, images: 1 },
  ],
  quality: { score: 0.4, parts: [], reasons: [] },
};

test("a condition sees the document: its name, its size, its type as found or else as declared", () => {
  const holds = (expression: string, document = read) => {
    expect(conditionFault(expression), expression).toBeNull();
    return evaluateCondition(expression, document);
  };
  expect(holds('document.filename.endsWith(".pdf") && document.size_bytes == 1000')).toBe(true);
  expect(holds('document.media_type == "application/pdf"')).toBe(true);
  expect(holds('document.media_type == "application/x"', fresh)).toBe(true);
  expect(holds('document.declared_media_type != document.media_type && document.sha256 == "ab"')).toBe(true);
});

test("a condition sees what earlier stages found, as the metadata of a result has it", () => {
  const holds = (expression: string, document = read) => {
    expect(conditionFault(expression), expression).toBeNull();
    return evaluateCondition(expression, document);
  };
  expect(holds("metadata.facts.words > 100 && metadata.facts.words == 120")).toBe(true);
  expect(holds('metadata.facts.language in ["en", "de"]')).toBe(true);
  expect(holds("metadata.quality != null && metadata.quality.score < 0.5")).toBe(true);
  expect(holds("metadata.quality == null", fresh)).toBe(true);
  expect(holds("metadata.pages.exists(p, p.images > 0 && p.characters == 0)")).toBe(true);
  expect(holds("has(metadata.facts.words)", fresh)).toBe(false);
  expect(holds("metadata.warnings.size() == 0")).toBe(true);
});

test("faults of syntax and of types are told before anything runs, with their place", () => {
  expect(conditionFault("document.size_bytes >")).toBe("Unexpected token: EOF (at character 22).");
  expect(conditionFault("true &&\n  document.nope == 1")).toBe(
    "No such key: nope (at line 2, character 12).",
  );
  expect(conditionFault("documents.filename == ''")).toBe("Unknown variable: documents (at character 1).");
  expect(conditionFault('document.size_bytes == "x"')).toContain("no such overload: int == string");
  expect(conditionFault("document.filename")).toBe("Must be true or false, and this is of type string.");
  expect(conditionFault("document.size_bytes + 1")).toBe("Must be true or false, and this is of type int.");
  expect(conditionFault("document")).toBe("Must be true or false, and this is of type document.");
});

test("an expression that is large or deep is refused at once, whatever it is made of", () => {
  const startedAt = performance.now();
  for (const expression of [
    `${"(".repeat(900)}true${")".repeat(900)}`,
    `${"[1].all(a,".repeat(60)}true${")".repeat(60)}`,
    `${"!".repeat(1_990)}true`,
    `${"true?".repeat(300)}true${":true".repeat(300)}`,
    `${"cel.bind(a,".repeat(60)}true${",a)".repeat(60)}`,
    `1 in [${"1,".repeat(900)}1]`,
  ]) {
    expect(conditionFault(expression), expression.slice(0, 20)).toMatch(/Exceeded max/);
  }
  // A bound on the order of it, far above what it takes.
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});

test("a condition that cannot be told for this document fails with its reason and the place, and is not tried again", () => {
  const failure = (expression: string, document = read) => {
    try {
      return evaluateCondition(expression, document);
    } catch (error) {
      return error;
    }
  };
  const fault = { name: "StageFailure", reason: "CONDITION_FAILED", retryable: false };
  expect(failure("metadata.nope == 1")).toMatchObject({
    ...fault,
    message: "The `when` of the stage could not be evaluated: No such key: nope (at character 10).",
  });
  expect(failure("metadata.facts.words > 1", fresh)).toMatchObject(fault);
  expect(failure("metadata.properties.title")).toMatchObject({
    ...fault,
    message: expect.stringContaining("neither true nor false"),
  });
  expect(failure("metadata.facts.words / 0.0 > 1.0 || document.size_bytes / 0 == 1")).toBe(true);
  expect(failure("document.size_bytes / 0 == 1")).toMatchObject(fault);
});

test("patterns are read as RE2 and matched in linear time, wherever they stand", () => {
  const long: WorkingDocument = {
    ...read,
    source: { ...source, filename: `${"a".repeat(5_000)}!` },
    facts: { pattern: "^(a+)+$", names: ["a.pdf", "b.txt"] },
  };
  const holds = (expression: string) => {
    expect(conditionFault(expression), expression).toBeNull();
    return evaluateCondition(expression, long);
  };
  expect(holds('document.filename.matches("^(a+)+$")')).toBe(false);
  expect(holds('document.filename.matches("(a+)+!")')).toBe(true);
  expect(holds("document.filename.matches(metadata.facts.pattern)")).toBe(false);
  expect(holds('metadata.facts.names.exists(n, n.matches("(?i)\\\\.PDF$"))')).toBe(true);
  expect(
    holds('cel.bind(n, document.filename, !n.matches("^(a|aa)+$") && (n + "?").matches(".*[?]$"))'),
  ).toBe(true);
  expect(holds('true ? !document.filename.matches("^(a*)*$") : false')).toBe(true);
  expect(() => holds('document.filename.matches("(a)\\\\1")')).toThrow(
    /CONDITION|could not be evaluated.*escape/,
  );
});
