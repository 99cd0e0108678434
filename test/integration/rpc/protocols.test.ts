import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { JobsService } from "../../../gen/sluice/v1/jobs_pb.ts";
import { SystemService } from "../../../gen/sluice/v1/system_pb.ts";
import { allClients, type Outcome, type TestClient } from "./clients.ts";
import { JOB_ID, MIB, startEdge, until } from "./edge-harness.ts";

const GOOD = { authorization: "Bearer good", "x-request-id": "req-1" };
const POOR = { authorization: "Bearer poor", "x-request-id": "req-1" };
const { getServerInfo, pauseQueue, resumeQueue } = SystemService.method;
const { createJob, getJob, listJobs, watchJob, watchJobs } = JobsService.method;

let edge: Awaited<ReturnType<typeof startEdge>>;
let clients: TestClient[];

beforeAll(async () => {
  edge = await startEdge();
  clients = allClients(edge.url, edge.port);
});
afterAll(async () => {
  for (const client of clients) client.close();
  await edge.server.stop(0);
});

const NAMES = [
  "grpc-js",
  "connect-node gRPC",
  "gRPC-Web over HTTP/1.1",
  "Connect binary over HTTP/2",
  "JSON over HTTP/1.1",
];
const client = (name: string) => clients.find((candidate) => candidate.name === name)!;
const id = (digit: number) => JOB_ID.slice(0, -1) + digit;

test("every client gets the same answer", async () => {
  const answers = await Promise.all(
    clients.map((each) => each.unary(createJob, { source: { case: "text", value: "a" } }, { headers: GOOD })),
  );
  expect(answers.map(({ message, error }) => error ?? message)).toEqual(
    clients.map(() => expect.objectContaining({ job: expect.objectContaining({ id: JOB_ID }) })),
  );
});

const FAILURES: Record<string, [code: string, reason: string, call: (each: TestClient) => Promise<Outcome>]> =
  {
    "no credential": ["unauthenticated", "UNAUTHENTICATED", (each) => each.unary(getServerInfo, {})],
    "too few permissions": [
      "permission_denied",
      "PERMISSION_DENIED",
      (each) => each.unary(getServerInfo, {}, { headers: POOR }),
    ],
    "a request that breaks its rules": [
      "invalid_argument",
      "INVALID_REQUEST",
      (each) => each.unary(createJob, { maxAttempts: -5, labels: { "": "x" } }, { headers: GOOD }),
    ],
    "an unknown resource": [
      "not_found",
      "JOB_NOT_FOUND",
      (each) => each.unary(getJob, { id: id(1) }, { headers: GOOD }),
    ],
    "a used up quota": [
      "resource_exhausted",
      "QUOTA_EXCEEDED",
      (each) => each.unary(getJob, { id: id(2) }, { headers: GOOD }),
    ],
    "an unexpected throw": [
      "internal",
      "INTERNAL",
      (each) => each.unary(getJob, { id: id(3) }, { headers: GOOD }),
    ],
    "a lost database": [
      "unavailable",
      "DATABASE_UNAVAILABLE",
      (each) => each.unary(getJob, { id: id(4) }, { headers: GOOD }),
    ],
    "a method that is not built": [
      "unimplemented",
      "UNIMPLEMENTED",
      (each) => each.unary(listJobs, {}, { headers: GOOD }),
    ],
  };

test.each(Object.entries(FAILURES))(
  "every client gets the same error and details: %s",
  async (_, [code, reason, call]) => {
    const outcomes = await Promise.all(clients.map(call));
    const [first] = outcomes;
    expect(first?.error).toMatchObject({ code });
    expect(Buffer.from(first!.error!.details[0]!.split(" ")[1]!, "base64").toString()).toContain(reason);
    expect(outcomes).toEqual(clients.map(() => first));
  },
);

test("an unexpected throw tells the caller nothing but the request id", async () => {
  const { error } = await client("grpc-js").unary(getJob, { id: id(3) }, { headers: GOOD });
  expect(error?.message).toBe("internal error (request id req-1)");
  expect(JSON.stringify(error)).not.toMatch(/hunter2|secret/);
});

test("validation lists all faults of a request at once", async () => {
  const input = { maxAttempts: -5, labels: { "": "x" }, requestId: "x".repeat(65) };
  const { error } = await client("JSON over HTTP/1.1").unary(createJob, input, { headers: GOOD });
  expect(error?.message).toMatch(/labels\[""\].*; .*max_attempts|max_attempts.*; .*labels\[""\]/);
  expect(error?.message).toContain("request_id");
});

test("a JSON field that the contract does not have is refused and named", async () => {
  const response = await fetch(`${edge.url}/sluice.v1.JobsService/CreateJob`, {
    method: "POST",
    headers: { ...GOOD, "content-type": "application/json" },
    body: '{"txt":"a"}',
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    code: "invalid_argument",
    details: [{ debug: { reason: "INVALID_REQUEST" } }, { debug: { fieldViolations: [{ field: "txt" }] } }],
  });
  expect(response.headers.get("x-request-id")).toBe("req-1");
});

describe.each(NAMES)("%s", (name) => {
  test("cancelling a unary call aborts its handler", async () => {
    const controller = new AbortController();
    const before = edge.seen.aborts.length;
    const outcome = client(name).unary(pauseQueue, {}, { headers: GOOD, signal: controller.signal });
    await until(() => edge.seen.running === 1);
    controller.abort();
    await until(() => edge.seen.running === 0);
    expect(edge.seen.aborts.length).toBe(before + 1);
    expect((await outcome).error?.code).toBe("canceled");
    await until(() => edge.seen.finished.at(-1)?.code === "canceled");
  });

  test("cancelling a stream aborts its handler", async () => {
    const controller = new AbortController();
    let messages = 0;
    const count = () => messages++;
    const options = { headers: GOOD, signal: controller.signal };
    const end = client(name).stream(watchJob, { id: JOB_ID }, count, options);
    await until(() => messages === 1);
    expect(edge.seen.running).toBe(1);
    controller.abort();
    await until(() => edge.seen.running === 0);
    expect((await end)?.code).toBe("canceled");
  });

  test("a deadline ends a handler that listens to nothing", async () => {
    const { error } = await client(name).unary(resumeQueue, {}, { headers: GOOD, timeoutMs: 100 });
    expect(error?.code).toBe("deadline_exceeded");
    await until(() => edge.seen.finished.some(({ method }) => method.endsWith("/ResumeQueue")));
  });

  test("a deadline ends a stream", async () => {
    const end = await client(name).stream(watchJobs, {}, () => {}, { headers: GOOD, timeoutMs: 100 });
    expect(end?.code).toBe("deadline_exceeded");
  });

  test("a message over 4 MiB is refused with the way out, and the connection serves the next call", async () => {
    const data = new Uint8Array(5 * MIB);
    const source = { case: "inline" as const, value: { data } };
    const { error } = await client(name).unary(createJob, { source }, { headers: GOOD });
    expect(error).toMatchObject({
      code: "resource_exhausted",
      message: expect.stringContaining("4194304 bytes; send large documents with UploadDocument"),
    });
    expect(Buffer.from(error!.details[0]!.split(" ")[1]!, "base64").toString()).toContain(
      "MESSAGE_TOO_LARGE",
    );
    const next = await client(name).unary(getServerInfo, {}, { headers: GOOD, timeoutMs: 3_000 });
    expect(next.error).toBeUndefined();
  });
});

test("a call leaves one measurement with its method and code", async () => {
  await client("grpc-js").unary(getServerInfo, {}, { headers: GOOD });
  const response = await fetch(`${edge.url}/metrics`);
  expect(await response.text()).toMatch(
    /sluice_rpc_duration_seconds_count\{method="sluice\.v1\.SystemService\/GetServerInfo",code="ok"\} \d/,
  );
});
