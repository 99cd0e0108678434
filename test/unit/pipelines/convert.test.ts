import { create, fromJson, type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { PipelineConfigSchema, StageTypeSchema } from "../../../gen/sluice/v1/pipelines_pb.ts";
import { createSecretBox } from "../../../src/lib/secret-box.ts";
import { stageTypeToMessage } from "../../../src/pipelines/catalogue/convert.ts";
import { configToMessage } from "../../../src/pipelines/convert.ts";
import { openSecret, sealStages } from "../../../src/pipelines/secrets.ts";
import { catalogue, read } from "./support.ts";

const box = createSecretBox(Buffer.alloc(32, 1), "test");

/** Every option of every type of stage, with a value that is not its default. */
const EVERYTHING: { [type: string]: JsonObject } = {
  fetch: { max_bytes: "9007199254740993", timeout: "30.500s" },
  detect: {},
  extract: {
    ocr: "OCR_MODE_ALWAYS",
    languages: ["eng", "chi_sim"],
    max_pages: 7,
    include_tables: false,
    include_headers_footers: true,
  },
  normalize: {
    unicode: false,
    ligatures: true,
    hyphenation: false,
    headers_footers: false,
    whitespace: true,
  },
  enrich: {
    language: false,
    counts: true,
    title: false,
    author: true,
    dates: false,
    links: true,
    key_phrases: false,
    reading_time: true,
  },
  chunk: { strategy: "CHUNK_STRATEGY_HEADINGS", max_tokens: 100, overlap: 0 },
  quality: { weights: { a: 1.5, b: 0 }, minimum: 0.25, on_low: "LOW_QUALITY_ACTION_FAIL" },
  redact: { kinds: ["REDACT_KIND_EMAIL", "REDACT_KIND_CARD"], patterns: ["a+"], replacement: "" },
  http: { url: "https://example.org/hook", timeout: "5s" },
  custom: { type: "stamp", options: { ink: ["red", { shade: 1.5 }], on: null } },
};
const common: JsonObject = {
  when: "document.size_bytes > 10",
  timeout: "90s",
  retry: { max_attempts: 3, initial_backoff: "0.250s", max_backoff: "10s", multiplier: 1.5 },
  on_failure: "ON_FAILURE_SKIP",
};

test("a stage of every type comes back as it was written, with all it says", () => {
  const written: JsonValue[] = Object.entries(EVERYTHING).flatMap(([type, options]) => [
    { name: `my-${type}`, [type]: options, ...common },
    { name: type, [type]: {}, retry: {} },
  ]);
  const { stages } = read(written);
  // Through JSON, as the database keeps it.
  const stored = JSON.parse(JSON.stringify(sealStages(box, "p", stages)));
  const message = configToMessage(stored);
  expect(toJson(PipelineConfigSchema, message)).toEqual(
    toJson(PipelineConfigSchema, fromJson(PipelineConfigSchema, { stages: written })),
  );
});

test("a stage without a name has that of its type", () => {
  expect(read([{ detect: {} }, { name: "x", detect: {} }]).stages.map(({ name }) => name)).toEqual([
    "detect",
    "x",
  ]);
});

test("secrets leave a definition at the door and are nowhere in what is stored or shown", () => {
  const { stages } = read([
    { name: "a", extract: { password: "hunter-one", max_pages: 1 } },
    { name: "b", http: { url: "https://example.org", secret: "hunter-two" } },
  ]);
  const stored = sealStages(box, "p1", stages);
  for (const shown of [stored, toJson(PipelineConfigSchema, configToMessage(stored))])
    expect(JSON.stringify(shown)).not.toContain("hunter");
  expect(stored.map((stage) => openSecret(box, "p1", stage))).toEqual(["hunter-one", "hunter-two"]);
  const [first] = stored;
  if (!first) throw new Error("no stage");
  // Moved to another stage, type or pipeline it does not open.
  for (const [pipeline, changes] of [
    ["p1", { name: "b" }],
    ["p1", { type: "http" }],
    ["p2", {}],
  ] as const)
    expect(() => openSecret(box, pipeline, { ...first, ...changes })).toThrow();
});

test("an empty secret keeps the one of the stage of the same name and type, and of no other", () => {
  const stored = sealStages(box, "p", read([{ name: "a", extract: { password: "one" } }]).stages);
  const next = (stage: JsonValue) => {
    const [sealed] = sealStages(box, "p", read([stage]).stages, stored);
    return sealed && openSecret(box, "p", sealed);
  };
  expect(next({ name: "a", extract: {} })).toBe("one");
  expect(next({ name: "a", extract: { password: "two" } })).toBe("two");
  expect(next({ name: "b", extract: {} })).toBeUndefined();
  expect(next({ name: "a", http: { url: "https://example.org" } })).toBeUndefined();
});

test("the catalogue has every type that can run, with a schema that takes what callers write and nothing else", () => {
  const types = catalogue.list().map((stage) => {
    const { name = "", optionsSchema = {}, isCustom } = create(StageTypeSchema, stageTypeToMessage(stage));
    return { name, schema: optionsSchema, isCustom };
  });
  const names = types.map(({ name }) => name);
  expect(names).toEqual([...names].sort());
  for (const type of ["fetch", "detect", "extract", "normalize", "enrich", "chunk", "quality", "stamp"])
    expect(names).toContain(type);
  expect(types.filter(({ isCustom }) => isCustom).map(({ name }) => name)).toEqual(["stamp"]);
  for (const { name, schema } of types.filter(({ isCustom }) => !isCustom)) {
    const check = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema ?? {});
    expect(check(EVERYTHING[name]), `${name} ${JSON.stringify(check.errors)}`).toBe(true);
    expect(check({}), name).toBe(true);
    expect(check({ nonsense: 1 }), name).toBe(false);
  }
  const schemaOf = (type: string) => types.find(({ name }) => name === type)?.schema;
  expect(schemaOf("chunk")).toMatchObject({
    properties: {
      strategy: { enum: ["CHUNK_STRATEGY_TOKENS", "CHUNK_STRATEGY_SENTENCES", "CHUNK_STRATEGY_HEADINGS"] },
      max_tokens: { type: "integer", minimum: 0, maximum: 32768 },
    },
  });
  expect(schemaOf("extract")).toMatchObject({
    properties: { password: { writeOnly: true }, include_tables: { type: "boolean", default: true } },
  });
  expect(schemaOf("stamp")).toEqual({ type: "object", required: ["ink"] });
});
