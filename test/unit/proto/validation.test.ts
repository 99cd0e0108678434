import { create, type DescMessage, fromJson, type JsonValue, type Message } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { file_buf_validate_validate as full } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { expect, test } from "vitest";
import { file_buf_validate_validate as subset } from "../../../gen/buf/validate/validate_pb.ts";
import * as audit from "../../../gen/sluice/v1/audit_pb.ts";
import * as auth from "../../../gen/sluice/v1/auth_pb.ts";
import * as jobs from "../../../gen/sluice/v1/jobs_pb.ts";
import * as pipelines from "../../../gen/sluice/v1/pipelines_pb.ts";
import * as system from "../../../gen/sluice/v1/system_pb.ts";
import * as webhooks from "../../../gen/sluice/v1/webhooks_pb.ts";

const validator = createValidator();
const id = "01980000-0000-7000-8000-000000000000";

/** The paths of the fields that break a rule, each with the rule: `labels["a"]: string.max_len`. */
function faults<Desc extends DescMessage>(schema: Desc, json: JsonValue): string[] {
  const message = fromJson(schema, json) as Message;
  const result = validator.validate(schema, message as never);
  if (result.kind === "error") throw result.error;
  if (result.kind === "valid") return [];
  return result.violations.map((violation) => {
    const path = violation.field
      .map((part) =>
        part.kind === "list_sub"
          ? `[${part.index}]`
          : part.kind === "map_sub"
            ? `["${part.key}"]`
            : "name" in part
              ? `.${part.name}`
              : "",
      )
      .join("")
      .replace(/^\./, "");
    return `${path}: ${violation.ruleId}`;
  });
}
const createJob = (json: JsonValue) => faults(jobs.CreateJobRequestSchema, json);

test("a job with nothing but a text is a good request", () => {
  expect(createJob({ text: "Hello" })).toEqual([]);
});

test("every source is taken alone", () => {
  expect(createJob({ inline: { data: "QQ==", filename: "a.txt", mediaType: "text/plain" } })).toEqual([]);
  expect(createJob({ documentId: id })).toEqual([]);
  expect(createJob({ uri: "https://example.org/a.pdf" })).toEqual([]);
  expect(createJob({ uri: "s3://bucket/a.pdf" })).toEqual([]);
});

test("a job without a source, or with an empty one, is refused", () => {
  expect(createJob({})).toEqual(["source: required"]);
  expect(createJob({ text: "" })).toEqual(["text: string.min_len"]);
  expect(createJob({ inline: {} })).toEqual(["inline.data: bytes.min_len"]);
  expect(createJob({ documentId: "" })).toEqual(["document_id: string.uuid_empty"]);
  expect(createJob({ uri: "file:///etc/passwd" })).toEqual(["uri: string.pattern"]);
});

test("a pipeline is named by id or by name or not at all, never by both", () => {
  expect(createJob({ text: "a", pipelineId: id })).toEqual([]);
  expect(createJob({ text: "a", pipelineName: "default" })).toEqual([]);
  expect(createJob({ text: "a", pipelineId: id, pipelineName: "default" })).toEqual([": message.oneof"]);
  expect(createJob({ text: "a", pipelineId: "default" })).toEqual(["pipeline_id: string.uuid"]);
});

test("all faults of a request are told at once", () => {
  const labels = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, "v"]));
  expect(
    createJob({
      pipelineVersion: -1,
      priority: 9,
      labels,
      maxAttempts: 21,
      requestId: "x".repeat(65),
      password: "p".repeat(1025),
    }).sort(),
  ).toEqual([
    "labels: map.max_pairs",
    "max_attempts: int32.gte_lte",
    "password: string.max_len",
    "pipeline_version: int32.gte",
    "priority: enum.defined_only",
    "request_id: string.max_len",
    "source: required",
  ]);
});

test("label keys have 1 to 63 characters and values up to 256", () => {
  expect(createJob({ text: "a", labels: { ["k".repeat(63)]: "v".repeat(256) } })).toEqual([]);
  expect(createJob({ text: "a", labels: { "": "v" } })).toEqual(['labels[""]: string.min_len']);
  expect(createJob({ text: "a", labels: { k: "v".repeat(257) } })).toEqual(['labels["k"]: string.max_len']);
});

test("lengths count characters, not bytes or UTF-16 units", () => {
  expect(createJob({ text: "a", requestId: "😀".repeat(64) })).toEqual([]);
  expect(createJob({ text: "a", requestId: "😀".repeat(65) })).toEqual(["request_id: string.max_len"]);
});

test("a bad item of a batch does not make the batch bad, and 0 or 1001 items do", () => {
  const batch = (requests: JsonValue[]) => faults(jobs.BatchCreateJobsRequestSchema, { requests });
  expect(batch([{ text: "a" }, {}, { text: "", maxAttempts: 99 }])).toEqual([]);
  expect(batch([])).toEqual(["requests: repeated.min_items"]);
  expect(batch(Array.from({ length: 1001 }, () => ({ text: "a" })))).toEqual([
    "requests: repeated.max_items",
  ]);
});

test("page sizes lie between 0 and 500", () => {
  const list = (pageSize: number) => faults(jobs.ListJobsRequestSchema, { pageSize });
  expect([0, 1, 500].map(list)).toEqual([[], [], []]);
  for (const pageSize of [-1, 501, 2 ** 31 - 1]) expect(list(pageSize)).toEqual(["page_size: int32.gte_lte"]);
});

test("a filter takes statuses that exist, each once", () => {
  const list = (statuses: JsonValue) => faults(jobs.ListJobsRequestSchema, { statuses });
  expect(list(["JOB_STATUS_FAILED", "JOB_STATUS_CREATED"])).toEqual([]);
  expect(list([0])).toEqual(["statuses[0]: enum.not_in"]);
  expect(list([77])).toEqual(["statuses[0]: enum.defined_only"]);
  expect(list([1, 1])).toEqual(["statuses: repeated.unique"]);
});

test("a pipeline is read by id or name, one of them", () => {
  const get = (json: JsonValue) => faults(pipelines.GetPipelineRequestSchema, json);
  expect(get({ name: "default" })).toEqual([]);
  expect(get({ id })).toEqual([]);
  expect(get({})).toEqual([": message.oneof"]);
  expect(get({ id, name: "default" })).toEqual([": message.oneof"]);
});

test("the faults of a pipeline's stages carry their paths, and requests leave them to the handler, which tells all at once", () => {
  const config = { stages: [{ name: "Bad Name", chunk: { maxTokens: 99999 } }, { name: "empty" }] };
  expect(faults(pipelines.PipelineConfigSchema, config).sort()).toEqual([
    "stages[0].chunk.max_tokens: int32.gte_lte",
    "stages[0].name: string.pattern",
    "stages[1].type: required",
  ]);
  expect(faults(pipelines.ValidatePipelineRequestSchema, { config })).toEqual([]);
  expect(faults(pipelines.CreatePipelineRequestSchema, { name: "p", config })).toEqual([]);
  expect(faults(pipelines.UpdatePipelineRequestSchema, { id, config })).toEqual([]);
});

test("new passwords have at least 12 characters, and a login takes any that is not empty", () => {
  const change = (newPassword: string) =>
    faults(auth.ChangePasswordRequestSchema, { currentPassword: "x", newPassword });
  expect(change("short")).toEqual(["new_password: string.min_len"]);
  expect(change("long enough!")).toEqual([]);
  expect(faults(auth.LoginRequestSchema, { email: "admin", password: "x" })).toEqual([]);
  expect(faults(auth.LoginRequestSchema, {}).sort()).toEqual([
    "email: string.min_len",
    "password: string.min_len",
  ]);
});

test("every message of the contract has rules that compile", () => {
  const modules = [audit, auth, jobs, pipelines, system, webhooks];
  const schemas = modules
    .flatMap((module): unknown[] => Object.values(module))
    .filter((value): value is DescMessage => (value as { kind?: string }).kind === "message");
  expect(schemas.length).toBeGreaterThan(150);
  for (const schema of schemas) {
    const result = validator.validate(schema, create(schema) as never);
    expect(result.kind === "error" ? String(result.error) : "", schema.typeName).toBe("");
  }
});

test("our subset of validate.proto has the names, numbers and types of the validator's own file", () => {
  const shape = (file: typeof full) => [
    ...file.messages.flatMap((message) =>
      message.fields.map(({ name, number, proto, oneof }) =>
        [message.typeName, name, number, proto.label, proto.type, proto.typeName, oneof?.name ?? ""].join(
          " ",
        ),
      ),
    ),
    ...file.enums.flatMap((e) => e.values.map(({ name, number }) => [e.typeName, name, number].join(" "))),
    ...file.extensions.map((ext) =>
      [ext.name, ext.number, ext.extendee.typeName, ext.proto.typeName].join(" "),
    ),
  ];
  const own = new Set(shape(full));
  expect(shape(subset).length).toBeGreaterThan(40);
  expect(shape(subset).filter((line) => !own.has(line))).toEqual([]);
});
