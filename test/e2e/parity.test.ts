import {
  type DescMethodUnary,
  fromBinary,
  type JsonObject,
  type Message,
  type MessageInitShape,
  toJson,
} from "@bufbuild/protobuf";
import { JobStatus, JobsService } from "@sluice/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  ResourceInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import { allClients, type Failed, type Outcome } from "../integration/rpc/clients.ts";
import { createSite, type Site } from "../support/processes.ts";

const { createJob, getJob, listJobs, getJobResult } = JobsService.method;
const UNKNOWN_ID = "01920000-0000-7000-8000-000000000000";
const MIB = 1024 * 1024;

let site: Site;

beforeAll(async () => {
  site = await createSite();
  await site.serve("--no-worker");
});

afterAll(() => site[Symbol.asyncDispose]());

/** What each kind of client gets for the same call, by its name. Fresh clients, so that no call spoils another. */
async function ask<M extends DescMethodUnary>(
  method: M,
  input: MessageInitShape<M["input"]>,
  headers: Record<string, string> = { authorization: `Bearer ${site.apiKey()}` },
): Promise<Map<string, Outcome>> {
  const answers = new Map<string, Outcome>();
  for (const client of allClients(site.url, site.port)) {
    try {
      answers.set(client.name, await client.unary(method, input, { headers }));
    } finally {
      client.close();
    }
  }
  return answers;
}

/** Checks that all clients got the same message, and returns it as JSON. */
async function sameAnswer<M extends DescMethodUnary>(
  method: M,
  input: MessageInitShape<M["input"]>,
): Promise<JsonObject> {
  const answers = [...(await ask(method, input))];
  expect(answers).toHaveLength(5);
  const shown = answers.map(([name, { message, error }]) => {
    if (!message) throw new Error(`${name}: ${error?.code} ${error?.message}`);
    return [name, toJson(method.output, message as Message)] as const;
  });
  const [, first] = shown[0] ?? ["", {}];
  for (const [name, json] of shown) expect({ name, json }).toEqual({ name, json: first });
  return first as JsonObject;
}

/** An error as it stands in a JSON answer. */
interface WireError {
  readonly code: string;
  readonly message: string;
  readonly details: readonly { readonly type: string; readonly value: string }[];
}

const SCHEMAS = [ErrorInfoSchema, BadRequestSchema, ResourceInfoSchema];

/** An error with its details made readable. */
function readable({ code, message, details }: Failed) {
  const shown = details.map((detail) => {
    const [type = "", value = ""] = detail.split(" ");
    const schema = SCHEMAS.find(({ typeName }) => typeName === type);
    if (!schema) return { type };
    return {
      type: schema.name,
      ...(toJson(schema, fromBinary(schema, Buffer.from(value, "base64"))) as JsonObject),
    };
  });
  return { code, message, details: shown };
}

/** Checks that all clients got the same error with the same details, and returns it. */
async function sameError<M extends DescMethodUnary>(
  method: M,
  input: MessageInitShape<M["input"]>,
  headers?: Record<string, string>,
) {
  const answers = [...(await ask(method, input, headers))];
  expect(answers).toHaveLength(5);
  const shown = answers.map(([name, { error }]) => {
    if (!error) throw new Error(`${name} got an answer instead of an error`);
    return { name, error: readable(error) };
  });
  const [first] = shown;
  if (!first) throw new Error("there are no clients");
  for (const { name, error } of shown) expect({ name, error }).toEqual({ name, error: first.error });
  return first.error;
}

const info = (reason: string, metadata?: object) => ({
  type: "ErrorInfo",
  reason,
  domain: "sluice",
  ...(metadata ? { metadata } : {}),
});

test("creating, reading, listing jobs and their results gives every client the same", async () => {
  const requestId = "parity-1";
  const source = { case: "text" as const, value: "Grüße an alle, 你好, 🌍." };
  const request = {
    source,
    requestId,
    labels: { kind: "parity", größe: "ü" },
    parameters: { deep: [1, null, "x"] },
  };
  const created = await sameAnswer(createJob, request);
  const { id } = created.job as { id: string };
  await sameAnswer(getJob, { id });
  await sameAnswer(listJobs, { labels: { kind: "parity" } });

  const worker = await site.worker();
  const job = await site.client().jobs.wait(id);
  expect(job.status).toBe(JobStatus.COMPLETED);
  worker.kill("SIGTERM");
  await worker.exit();
  expect(await sameAnswer(getJob, { id })).toMatchObject({ job: { id, status: "JOB_STATUS_COMPLETED" } });
  expect(await sameAnswer(listJobs, { statuses: [JobStatus.COMPLETED] })).toMatchObject({ jobs: [{ id }] });
  expect(await sameAnswer(getJobResult, { id })).toMatchObject({
    result: { jobId: id, extractedText: expect.stringContaining("Grüße an alle, 你好, 🌍.") },
  });
});

test("an unknown pipeline", async () => {
  const source = { case: "text" as const, value: "x" };
  expect(await sameError(createJob, { source, pipelineName: "nowhere" })).toMatchObject({
    code: "not_found",
    message: expect.stringContaining("nowhere"),
    details: [
      info("PIPELINE_NOT_FOUND", expect.anything()),
      { type: "ResourceInfo", resourceType: "pipeline", resourceName: "nowhere" },
    ],
  });
});

test("no source, and every other fault of the request with it", async () => {
  const error = await sameError(createJob, { maxAttempts: -1, requestId: "x".repeat(65) });
  expect(error).toMatchObject({
    code: "invalid_argument",
    details: [info("INVALID_REQUEST"), { type: "BadRequest" }],
  });
  const { fieldViolations } = error.details[1] as unknown as { fieldViolations: { field: string }[] };
  expect(fieldViolations.map(({ field }) => field).sort()).toEqual(["max_attempts", "request_id", "source"]);
});

test("a text of no characters", async () => {
  expect(await sameError(createJob, { source: { case: "text", value: "" } })).toMatchObject({
    code: "invalid_argument",
    details: [
      info("INVALID_REQUEST"),
      { type: "BadRequest", fieldViolations: [{ field: "text", description: expect.stringMatching(/./) }] },
    ],
  });
});

test("a document of 5 MiB in the request", async () => {
  const value = { data: new Uint8Array(5 * MIB), filename: "large.bin" };
  expect(await sameError(createJob, { source: { case: "inline", value } })).toMatchObject({
    code: "resource_exhausted",
    message: expect.stringContaining("UploadDocument"),
    details: [info("MESSAGE_TOO_LARGE", { limit_bytes: String(4 * MIB) })],
  });
});

test("a page token that is not one, and one of another filter", async () => {
  const wrong = {
    code: "invalid_argument",
    details: [info("PAGE_TOKEN_INVALID"), { type: "BadRequest", fieldViolations: [{ field: "page_token" }] }],
  };
  expect(await sameError(listJobs, { pageToken: "made-up" })).toMatchObject(wrong);
  const client = site.client();
  await client.jobs.submit({ text: "one" });
  await client.jobs.submit({ text: "two" });
  const { nextPageToken } = await client.jobs.listJobs({ pageSize: 1 });
  expect(nextPageToken).not.toBe("");
  const foreign = { pageToken: nextPageToken, pageSize: 1, labels: { other: "filter" } };
  expect(await sameError(listJobs, foreign)).toMatchObject(wrong);
});

test("an unknown job", async () => {
  const notFound = {
    code: "not_found",
    message: expect.stringContaining(UNKNOWN_ID),
    details: [
      info("JOB_NOT_FOUND", { job_id: UNKNOWN_ID }),
      { type: "ResourceInfo", resourceType: "job", resourceName: UNKNOWN_ID },
    ],
  };
  expect(await sameError(getJob, { id: UNKNOWN_ID })).toMatchObject(notFound);
  expect(await sameError(getJobResult, { id: UNKNOWN_ID })).toMatchObject(notFound);
});

test("a result that is not there yet", async () => {
  const { id } = await site.client().jobs.submit({ text: "waits" });
  expect(await sameError(getJobResult, { id })).toMatchObject({
    code: "not_found",
    details: [info("RESULT_NOT_READY", { job_id: id, status: "CREATED" }), { type: "ResourceInfo" }],
  });
});

test("no credential, and one that is none", async () => {
  expect(await sameError(getJob, { id: UNKNOWN_ID }, {})).toMatchObject({
    code: "unauthenticated",
    details: [info("UNAUTHENTICATED")],
  });
  expect(await sameError(getJob, { id: UNKNOWN_ID }, { authorization: "Bearer nonsense" })).toMatchObject({
    code: "unauthenticated",
    details: [info("CREDENTIAL_INVALID")],
  });
});

test("a field that does not exist is refused by name, in JSON", async () => {
  const response = await fetch(`${site.url}/sluice.v1.JobsService/CreateJob`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${site.apiKey()}` },
    body: JSON.stringify({ text: "x", prioritty: "JOB_PRIORITY_HIGH" }),
  });
  expect(response.status).toBe(400);
  const { code, message, details } = (await response.json()) as WireError;
  const error = readable({ code, message, details: details.map(({ type, value }) => `${type} ${value}`) });
  expect(error).toMatchObject({
    code: "invalid_argument",
    message: expect.stringContaining("prioritty"),
    details: [info("INVALID_REQUEST"), { type: "BadRequest", fieldViolations: [{ field: "prioritty" }] }],
  });
});

test("a request of the simplest kind works from any HTTP client", async () => {
  const post = async (method: string, body: object): Promise<JsonObject> => {
    const response = await fetch(`${site.url}/sluice.v1.JobsService/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": site.apiKey() },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(200);
    return (await response.json()) as JsonObject;
  };
  const { job } = await post("CreateJob", { text: "From curl." });
  const { id } = job as { id: string };
  expect(await post("GetJob", { id })).toMatchObject({ job: { id, status: "JOB_STATUS_CREATED" } });
  const query = new URLSearchParams({ encoding: "json", message: JSON.stringify({ id }), connect: "v1" });
  const response = await fetch(`${site.url}/sluice.v1.JobsService/GetJob?${query}`, {
    headers: { "x-api-key": site.apiKey() },
  });
  expect(await response.json()).toMatchObject({ job: { id } });
});

test("a bad item of a batch fails alone over JSON too, with the details that CreateJob gives", async () => {
  const response = await fetch(`${site.url}/sluice.v1.JobsService/BatchCreateJobs`, {
    method: "POST",
    headers: { authorization: `Bearer ${site.apiKey()}`, "content-type": "application/json" },
    body: JSON.stringify({ requests: [{ text: "good" }, {}, { text: "lost", pipelineName: "nowhere" }] }),
  });
  expect(response.status).toBe(200);
  const { results } = (await response.json()) as {
    results: { job?: object; status?: { details: object[] } }[];
  };
  expect(results.map(({ job }) => job !== undefined)).toEqual([true, false, false]);
  expect(results[1]?.status?.details).toContainEqual(
    expect.objectContaining({ "@type": "type.googleapis.com/google.rpc.BadRequest" }),
  );
  expect(results[2]?.status?.details).toContainEqual(
    expect.objectContaining({
      "@type": "type.googleapis.com/google.rpc.ErrorInfo",
      reason: "PIPELINE_NOT_FOUND",
    }),
  );
});
