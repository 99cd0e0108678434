import { create, type JsonValue } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { PipelineConfigSchema } from "../../../gen/sluice/v1/pipelines_pb.ts";
import { configFromMessage } from "../../../src/pipelines/convert.ts";
import { createRequestValidator } from "../../../src/rpc/validation.ts";
import { faultsOf, faultyFields } from "./support.ts";

const upTo = (...types: string[]): JsonValue[] => types.map((type) => ({ [type]: {} }));
const START = upTo("fetch", "detect", "extract");

test("what the built-in pipeline and a long one of every type look like has no fault", () => {
  expect(faultsOf([...START, ...upTo("normalize", "enrich", "chunk", "quality")])).toEqual([]);
  expect(
    faultsOf([
      { fetch: { maxBytes: "1000", timeout: "30s" }, timeout: "3600s" },
      { detect: {} },
      {
        extract: { ocr: "OCR_MODE_NEVER", languages: ["eng", "deu"], maxPages: 10, password: "p" },
        when: 'document.media_type == "application/pdf"',
        retry: { maxAttempts: 10, initialBackoff: "3600s", maxBackoff: "86400s", multiplier: 10 },
        onFailure: "ON_FAILURE_SKIP",
      },
      { http: { url: "https://example.org/x", secret: "s", timeout: "60s" } },
      { custom: { type: "stamp", options: { ink: "red" } } },
      { redact: { kinds: ["REDACT_KIND_IBAN"], patterns: ["\\bA-\\d{4}\\b"], replacement: "" } },
      { normalize: { unicode: false } },
      { enrich: { links: false }, when: "has(metadata.facts.words)" },
      { chunk: { strategy: "CHUNK_STRATEGY_SENTENCES", maxTokens: 100, overlap: 99 } },
      { quality: { weights: { text: 2 }, minimum: 0.5, onLow: "LOW_QUALITY_ACTION_FAIL" } },
    ]).filter((fault) => !fault.startsWith("config.stages[9].quality.weights")),
  ).toEqual([]);
});

test("all faults are told at once, each with the path of its field", () => {
  expect(
    faultyFields([
      { name: "Bad Name", detect: {} },
      { fetch: {}, when: "true", onFailure: "ON_FAILURE_SKIP" },
      { extract: { maxPages: -1, languages: ["english"] }, when: "document.nope", timeout: "0.5s" },
      { name: "empty" },
      {
        chunk: { maxTokens: 20, overlap: 20 },
        retry: { initialBackoff: "5s", maxBackoff: "2s", multiplier: 0.5 },
      },
      { redact: { patterns: ["fine", "(?=no)"] } },
      { name: "chunk", normalize: {} },
      { custom: { type: "unknown" } },
      { custom: { type: "stamp", options: {} }, name: "other" },
      { quality: { weights: { nonsense: 1 }, minimum: 2 } },
      { http: { url: "ftp://example.org", timeout: "900s", secret: "whsec_no" } },
    ]),
  ).toEqual(
    [
      "config.stages[0].name",
      "config.stages[1]",
      "config.stages[1].on_failure",
      "config.stages[1].when",
      "config.stages[2].extract.languages[0]",
      "config.stages[2].extract.max_pages",
      "config.stages[2].timeout",
      "config.stages[2].when",
      "config.stages[3].type",
      "config.stages[4].chunk.overlap",
      "config.stages[4].retry.max_backoff",
      "config.stages[4].retry.multiplier",
      "config.stages[5].redact.patterns[1]",
      "config.stages[6]",
      "config.stages[6].name",
      "config.stages[7].custom.type",
      "config.stages[8].custom.options.ink",
      "config.stages[9].quality.minimum",
      "config.stages[9].quality.weights.nonsense",
      "config.stages[10].http.secret",
      "config.stages[10].http.timeout",
      "config.stages[10].http.url",
    ].sort(),
  );
});

test("a definition without stages, without any, or of fetch alone is at fault", () => {
  expect(configFromMessage(undefined, createRequestValidator()).faults).toMatchObject([{ field: "config" }]);
  expect(faultyFields([])).toEqual(["config.stages"]);
  expect(faultyFields(upTo("fetch"))).toEqual(["config.stages"]);
  expect(faultyFields(upTo("detect"))).toEqual([]);
});

test("the order of stages is held to what a run would break on", () => {
  const order = (...types: string[]) => faultyFields(upTo(...types));
  expect(order("detect", "fetch")).toEqual(["config.stages[1]"]);
  expect(order("fetch", "extract", "detect")).toEqual(["config.stages[1]"]);
  for (const type of ["normalize", "enrich", "chunk", "quality", "redact"])
    expect(order("fetch", "detect", type)).toEqual(["config.stages[2]"]);
  expect(order("detect", "extract", "chunk", "normalize")).toEqual(["config.stages[3]"]);
  expect(order("detect", "extract", "chunk", "redact", "quality")).toEqual([]);
  const twice = [...upTo("detect", "extract"), { name: "again", extract: {} }];
  expect(faultyFields(twice)).toEqual(["config.stages[2]"]);
  const made = [{ http: { url: "https://example.org" } }, ...upTo("normalize", "enrich")];
  expect(faultyFields(made)).toEqual([]);
});

test("a language that OCR does not have is a fault that names those it has", () => {
  const [fault] = faultsOf([{ detect: {} }, { extract: { languages: ["eng", "tlh"] } }]);
  expect(fault).toMatch(
    /^config\.stages\[1\]\.extract\.languages.*tlh is not installed.*deu, eng, fra, ita, spa/,
  );
});

test("names are unique, and a stage without one has that of its type", () => {
  const fault = expect.stringMatching(
    /^config\.stages\[3\]\.name: The name extract is that of stages\[2\] too/,
  );
  expect(faultsOf([...START, { name: "extract", enrich: {} }])).toEqual([fault]);
});

test("times have bounds: of a stage, of its retries, of a source", () => {
  const at = (stage: { [key: string]: JsonValue }) => faultyFields([{ detect: {}, ...stage }]);
  const field = "config.stages[0]";
  expect(at({ timeout: "1s" })).toEqual([]);
  expect(at({ timeout: "86400s" })).toEqual([]);
  for (const timeout of ["0s", "0.999s", "86401s", "-5s"])
    expect(at({ timeout })).toEqual([`${field}.timeout`]);
  expect(at({ retry: {} })).toEqual([]);
  expect(at({ retry: { maxAttempts: 11 } })).toEqual([`${field}.retry.max_attempts`]);
  expect(at({ retry: { initialBackoff: "3601s", maxBackoff: "7200s" } })).toEqual([
    `${field}.retry.initial_backoff`,
  ]);
  expect(at({ retry: { initialBackoff: "0s" } })).toEqual([`${field}.retry.initial_backoff`]);
  expect(at({ retry: { maxBackoff: "86401s" } })).toEqual([`${field}.retry.max_backoff`]);
  expect(at({ retry: { maxBackoff: "0.5s" } })).toEqual([`${field}.retry.max_backoff`]);
  for (const multiplier of [0.5, 11, -1, "NaN"])
    expect(at({ retry: { multiplier } })).toEqual([`${field}.retry.multiplier`]);
  expect(faultyFields([{ fetch: { timeout: "0s" } }, { detect: {} }])).toEqual([`${field}.fetch.timeout`]);
  expect(faultyFields([{ fetch: { timeout: "86401s" } }, { detect: {} }])).toEqual([
    `${field}.fetch.timeout`,
  ]);
});

test("what is no duration at all is a fault and no crash", () => {
  const bad = { seconds: 1n, nanos: -5 };
  const config = create(PipelineConfigSchema, {
    stages: [
      { type: { case: "fetch", value: { timeout: { seconds: 10n ** 15n, nanos: 0 } } } },
      { type: { case: "detect", value: {} }, timeout: bad, retry: { initialBackoff: bad, maxBackoff: bad } },
    ],
  });
  const { faults } = configFromMessage(config, createRequestValidator());
  expect(faults.map(({ field }) => field)).toEqual([
    "config.stages[0].fetch.timeout",
    "config.stages[1].timeout",
    "config.stages[1].retry.initial_backoff",
    "config.stages[1].retry.max_backoff",
  ]);
});

test("patterns are read as RE2 and must stay small, each and in all, so that checking them takes no long", () => {
  const redact = (...patterns: string[]) => faultsOf([...START, { redact: { patterns } }]);
  expect(redact("\\p{L}+", "(?i)order-\\d{1,9}")).toEqual([]);
  expect(redact("a(b")).toEqual([
    "config.stages[3].redact.patterns[0]: Not a pattern in RE2 syntax: missing closing ): `a(b`.",
  ]);
  expect(redact("(a)\\1")[0]).toContain("invalid escape sequence");
  expect(redact("(?:a{1000}){2}")[0]).toContain("invalid repeat count");
  expect(redact("a{500}a{500}")).toEqual([
    expect.stringMatching(
      /^config\.stages\[3\]\.redact\.patterns\[0\]: The pattern is too large: 10\d\d states/,
    ),
  ]);
  const many = Array.from({ length: 50 }, () => "[a-z]{900}");
  expect(redact(...many)).toHaveLength(50 - 6);
  expect(redact(...many).at(-1)).toContain("too large in all");
  // Slow to read, and at fault: they leave no states behind.
  const slow = Array.from({ length: 50 }, () => `${"(?i)[\\pL\\PN]".repeat(30)}(`);
  const told = redact(...slow);
  expect(told.filter((fault) => fault.includes("10000 characters in all"))).toHaveLength(50 - 27);
});

test("free options are bounded, and so is a definition as a whole", () => {
  const nested = (depth: number): JsonValue => (depth === 0 ? 1 : { a: nested(depth - 1) });
  const stamp = (options: JsonValue) => faultyFields([{ custom: { type: "stamp", options } }]);
  expect(stamp({ ink: nested(30) })).toEqual([]);
  expect(stamp({ ink: nested(32) })).toContain("config.stages[0].custom.options");
  expect(stamp({ ink: "x".repeat(65_536) })).toContain("config.stages[0].custom.options");
  expect(stamp({ ink: "a\u0000b" })).toEqual(["config.stages[0]"]);
  const big = (index: number) => ({
    name: `s${index}`,
    custom: { type: "stamp", options: { ink: "x".repeat(60_000) } },
  });
  expect(faultyFields([0, 1, 2, 3].map(big))).toEqual([]);
  expect(faultyFields([0, 1, 2, 3, 4].map(big))).toEqual(["config"]);
  const further = faultsOf([0, 1, 2, 3, 4, 5].map(big));
  expect(further).toContainEqual(
    expect.stringMatching(/^config\.stages\[5\]\.custom\.options: .*256 KiB in all/),
  );
});
