import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescMethod,
  getOption,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Level } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { access } from "../../../gen/sluice/v1/access_pb.ts";
import { file_sluice_v1_audit } from "../../../gen/sluice/v1/audit_pb.ts";
import { file_sluice_v1_auth } from "../../../gen/sluice/v1/auth_pb.ts";
import { ErrorReasonSchema, file_sluice_v1_error_reason } from "../../../gen/sluice/v1/error_reason_pb.ts";
import { file_sluice_v1_jobs } from "../../../gen/sluice/v1/jobs_pb.ts";
import { file_sluice_v1_pipelines } from "../../../gen/sluice/v1/pipelines_pb.ts";
import { file_sluice_v1_system } from "../../../gen/sluice/v1/system_pb.ts";
import { file_sluice_v1_webhooks } from "../../../gen/sluice/v1/webhooks_pb.ts";

const files = [
  file_sluice_v1_audit,
  file_sluice_v1_auth,
  file_sluice_v1_error_reason,
  file_sluice_v1_jobs,
  file_sluice_v1_pipelines,
  file_sluice_v1_system,
  file_sluice_v1_webhooks,
];
const services = files.flatMap((file) => file.services);
const methods = services.flatMap((service) => service.methods);
const withNested = (message: DescMessage): DescMessage[] => [
  message,
  ...message.nestedMessages.flatMap(withNested),
];
const messages = files.flatMap((file) => file.messages).flatMap(withNested);
const fields = messages.flatMap((message) => message.fields);
const nameOf = (method: DescMethod) => `${method.parent.name}.${method.name}`;
const isRedacted = (field: DescField) => field.proto.options?.debugRedact === true;
/** Carries characters or bytes itself, so that a secret could stand in it. */
const carriesText = (field: DescField) =>
  field.fieldKind === "scalar" || field.fieldKind === "list" || field.fieldKind === "map"
    ? field.fieldKind === "scalar"
      ? [9, 12].includes(field.scalar)
      : field.fieldKind === "list"
        ? field.listKind === "scalar" && [9, 12].includes(field.scalar)
        : field.mapKind === "scalar" && [9, 12].includes(field.scalar)
    : false;

/** All messages that can stand inside this one, itself included. */
function reachable(message: DescMessage, seen = new Set<DescMessage>()): Set<DescMessage> {
  if (seen.has(message)) return seen;
  seen.add(message);
  for (const field of message.fields) if (field.message) reachable(field.message, seen);
  return seen;
}

test("the contract has all six services and their methods", () => {
  expect(services.map((service) => service.name).sort()).toEqual([
    "AuditService",
    "AuthService",
    "JobsService",
    "PipelinesService",
    "SystemService",
    "WebhooksService",
  ]);
  expect(methods.length).toBe(63);
});

test("every method says who may call it: a permission of the form resource:verb, or a reason to be public", () => {
  for (const method of methods) {
    const { rule } = getOption(method, access);
    expect(rule.case, nameOf(method)).toBeDefined();
    if (rule.case === "permission") expect(rule.value, nameOf(method)).toMatch(/^[a-z_]+:[a-z]+$/);
    else expect(rule.value?.length, nameOf(method)).toBeGreaterThan(20);
  }
});

test("only Login and Refresh are public", () => {
  const open = methods.filter((method) => getOption(method, access).rule.case === "public").map(nameOf);
  expect(open).toEqual(["AuthService.Login", "AuthService.Refresh"]);
});

test("reading methods, and only they, are marked as free of side effects", () => {
  const reads = /^(Get|List|Count|Watch|Download|Export|Verify)/;
  for (const method of methods) {
    expect(method.idempotency === Level.NO_SIDE_EFFECTS, nameOf(method)).toBe(reads.test(method.name));
  }
});

test("no method that may be called by GET takes a secret, which would then stand in its URL", () => {
  for (const method of methods.filter((m) => m.idempotency === Level.NO_SIDE_EFFECTS)) {
    const secrets = [...reachable(method.input)].flatMap((message) => message.fields).filter(isRedacted);
    expect(secrets.map(String), nameOf(method)).toEqual([]);
  }
});

test("a field that is named like a secret is redacted", () => {
  const secret =
    /(password|passphrase|secret|token|credential|api_?key|private_?key|authorization|cookie|headers|signature|(upload|download)_url)/;
  // Page tokens are opaque places in lists; the others are an id, a kind and a time.
  const harmless = new Set(["page_token", "next_page_token", "credential_id", "credential_type"]);
  const named = fields.filter((f) => secret.test(f.name) && !harmless.has(f.name) && carriesText(f));
  expect(named.length).toBeGreaterThan(15);
  expect(named.filter((field) => !isRedacted(field)).map(String)).toEqual([]);
});

test("every list takes page_size up to 500 and page_token, and answers with next_page_token", () => {
  // These two are as long as the server's own code makes them.
  const whole = new Set(["ListStageTypes", "ListEventTypes"]);
  const lists = methods.filter((method) => method.name.startsWith("List") && !whole.has(method.name));
  expect(lists.length).toBeGreaterThan(8);
  for (const { input, output, name } of lists) {
    expect(input.field.pageSize?.scalar, name).toBe(5);
    expect(input.field.pageToken?.scalar, name).toBe(9);
    expect(output.field.nextPageToken?.scalar, name).toBe(9);
  }
});

test("every create takes a request_id", () => {
  const creates = methods.filter((method) => method.name.startsWith("Create"));
  expect(creates.filter(({ input }) => !input.field.requestId).map(nameOf)).toEqual([]);
});

test("every instant is named after a time and every duration is not", () => {
  const asNamed = new Set(["timestamp", "created_after", "created_before", "since", "until"]);
  for (const field of fields) {
    if (field.message?.typeName === "google.protobuf.Timestamp")
      expect(/(^|_)time$/.test(field.name) || asNamed.has(field.name), String(field)).toBe(true);
    if (field.message?.typeName === "google.protobuf.Duration")
      expect(field.name, String(field)).not.toMatch(/_time$/);
  }
});

test("no update and no handler gets an owner from a request", () => {
  const inputs = methods.map((method) => method.input).flatMap((input) => input.fields);
  const owners = inputs.filter((field) => /^(owner|owner_id|created_by|tenant)$/.test(field.name));
  expect(owners.map(String)).toEqual([]);
});

test("enums begin with an unspecified zero and reasons are unique upper-case words", () => {
  const enums: DescEnum[] = [...files.flatMap((f) => f.enums), ...messages.flatMap((m) => m.nestedEnums)];
  for (const { values, typeName } of enums) expect(values[0]?.name, typeName).toMatch(/_UNSPECIFIED$/);
  const reasons = ErrorReasonSchema.values.map((value) => value.localName);
  expect(reasons).toContain("JOB_NOT_FOUND");
  expect(new Set(reasons).size).toBe(reasons.length);
  for (const reason of reasons) expect(reason).toMatch(/^[A-Z_]+$/);
});

test("the names that clients are written against are there", () => {
  const job = messages.find((message) => message.name === "Job");
  const names =
    "id status priority pipeline_id pipeline_name pipeline_version pipeline_snapshot document labels progress stages attempt max_attempts error waiting created_by create_time run_time start_time end_time expire_time worker_id version";
  expect(job?.fields.map((field) => field.name)).toEqual(expect.arrayContaining(names.split(" ")));
  const result = messages.find((message) => message.name === "JobResult");
  const resultNames =
    "job_id extracted_text result_metadata quality_score processing_time_ms output_uri download_url size_bytes sha256 create_time expire_time";
  expect(result?.fields.map((field) => field.name)).toEqual(expect.arrayContaining(resultNames.split(" ")));
  const log = messages.find((message) => message.name === "AuditLog");
  const logNames =
    "id timestamp user_id action resource_type resource_id request_details success error_message ip_address user_agent request_id duration_ms";
  expect(log?.fields.map((field) => field.name)).toEqual(expect.arrayContaining(logNames.split(" ")));
});
