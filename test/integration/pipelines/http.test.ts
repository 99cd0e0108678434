import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { StageDraft } from "../../../src/pipelines/model.ts";
import { createHarness, type Harness, textRequest, until } from "../../support/harness.ts";
import { eventsOf } from "../jobs/steps.ts";

interface Seen {
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  readonly body: { [key: string]: unknown; document: { [key: string]: unknown } };
}

/** A service on this machine. `answer` gets what was sent, and how many came before. */
async function serve(answer: (response: ServerResponse, seen: Seen, count: number) => void) {
  const calls: Seen[] = [];
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString();
    const seen = { headers: request.headers, text, body: JSON.parse(text) as Seen["body"] };
    calls.push(seen);
    answer(response, seen, calls.length - 1);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { calls, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/in?key=hidden-in-query` };
}

const json = (response: ServerResponse, value: unknown): void => {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
};

const stage = (
  type: string,
  options: StageDraft["options"] = {},
  more: Partial<StageDraft> = {},
): StageDraft => ({
  name: type,
  type,
  options,
  ...more,
});
const START = [stage("fetch"), stage("detect"), stage("extract")];
const QUICK = { maxAttempts: 3, initialBackoffMs: 1, maxBackoffMs: 5 };
const SECRET = "not-for-anybody-else";

async function run(h: Harness, stages: readonly StageDraft[], text = "A text.") {
  await h.pipelines.create(h.admin, { name: "asks", description: "", stages, isActive: null, requestId: "" });
  const { job } = await h.jobs.create(h.admin, textRequest(text, { pipelineName: "asks", maxAttempts: 1 }));
  return await until(async () => {
    const details = await h.jobs.get(h.admin, job.id);
    return details.job.endTime ? details.job : null;
  }, "the job has ended");
}

test("the document is posted, signed as Standard Webhooks are, and the answer becomes its text and metadata", async () => {
  await using h = await createHarness();
  await h.startWorker();
  const { calls, url } = await serve((response) =>
    json(response, { text: "Another text.\n\n- one\n- two", metadata: { score: 7 } }),
  );
  const secret = `whsec_${Buffer.from("a secret of some bytes").toString("base64")}`;
  const asks = stage("http", { url }, { name: "rate", secret });
  const job = await run(h, [...START, stage("chunk"), asks, stage("enrich")]);
  expect(job).toMatchObject({ status: "COMPLETED", error: null });
  const { result } = await h.jobs.result(h.admin, job.id);
  expect(result.extractedText).toBe("Another text.\n\n- one\n- two");
  expect(result.metadata).toMatchObject({
    facts: { stages: { rate: { score: 7 } }, words: 4 },
    warnings: [{ code: "CHUNKS_LEFT_OUT" }],
    chunkCount: 0,
  });
  const [{ headers, text, body } = calls[0] as Seen] = calls;
  expect(body).toMatchObject({
    job_id: job.id,
    stage: "rate",
    document: {
      media_type: "text/plain",
      size_bytes: 7,
      text: "A text.",
      blocks: [{ type: "paragraph", text: "A text." }],
      chunks: [{ index: 0, text: "A text." }],
    },
    metadata: { mediaType: "text/plain" },
  });
  expect(headers).toMatchObject({
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(text)),
  });
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature } = headers;
  const signed = createHmac("sha256", "a secret of some bytes").update(`${id}.${timestamp}.${text}`);
  expect(signature).toBe(`v1,${signed.digest("base64")}`);
  expect(Math.abs(Number(timestamp) - Date.now() / 1_000)).toBeLessThan(60);
});

test("while no stage has made text the service gets the bytes, and may answer with blocks, or with nothing", async () => {
  await using h = await createHarness();
  await h.startWorker();
  const blocks = [{ type: "heading", level: 1, text: "Read elsewhere" }];
  const { calls, url } = await serve((response, _, count) =>
    count === 0 ? json(response, { blocks }) : response.writeHead(204).end(),
  );
  const twice = [stage("fetch"), stage("http", { url }), stage("http", { url }, { name: "again" })];
  const job = await run(h, twice, "bytes");
  expect(job.status).toBe("COMPLETED");
  expect((await h.jobs.result(h.admin, job.id)).result.extractedText).toBe("Read elsewhere");
  const [first, second] = calls;
  expect(first?.body.document).toMatchObject({ data: Buffer.from("bytes").toString("base64") });
  expect(first?.headers).not.toHaveProperty("webhook-signature");
  expect(second?.body.document).toMatchObject({ text: "Read elsewhere" });
  expect(second?.headers["webhook-id"]).not.toBe(first?.headers["webhook-id"]);
});

test("statuses that may pass and broken connections are retried under one id, not before Retry-After", async () => {
  await using h = await createHarness();
  await h.startWorker();
  const { calls, url } = await serve((response, _, count) => {
    if (count === 0) response.writeHead(500).end("oops");
    else if (count === 1) response.writeHead(429, { "retry-after": "3600" }).end();
    else if (count === 2) {
      // Closes in the middle of its answer.
      response.writeHead(200, { "content-length": "1000" }).write("{");
      setImmediate(() => response.destroy());
    } else json(response, {});
  });
  const retry = { ...QUICK, maxAttempts: 4, maxBackoffMs: 400 };
  const job = await run(h, [...START, stage("http", { url }, { retry, secret: SECRET })]);
  expect(job.status).toBe("COMPLETED");
  expect(calls).toHaveLength(4);
  expect(new Set(calls.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
  expect(new Set(calls.map(({ headers }) => headers["idempotency-key"]))).toEqual(
    new Set([calls[0]?.headers["webhook-id"]]),
  );
  const logs = (await eventsOf(h, job.id)).filter(({ type }) => type === "log");
  expect(logs.map(({ payload }) => (payload as { message: string }).message)).toEqual([
    expect.stringContaining("SERVICE_UNAVAILABLE"),
    // Of the hour it asked for, as much as the policy allows.
    expect.stringContaining("begins in 0.4 s"),
    expect.stringContaining("SERVICE_UNAVAILABLE"),
  ]);
});

const refusals: [string, (response: ServerResponse) => void, string][] = [
  ["status 404", (response) => response.writeHead(404).end("{}"), "status 404"],
  [
    "a redirect",
    (response) => response.writeHead(307, { location: "http://169.254.169.254/latest/" }).end(),
    "redirects are not followed",
  ],
  ["no JSON", (response) => response.end("<html>"), "not JSON"],
  ["unknown fields", (response) => json(response, { txt: "x" }), "txt"],
  ["text and blocks", (response) => json(response, { text: "x", blocks: [] }), "not both"],
  [
    "wrong blocks",
    (response) => json(response, { blocks: [{ type: "paragraph", text: 1 }] }),
    "blocks.0.text",
  ],
  ["much metadata", (response) => json(response, { metadata: { a: "x".repeat(70_000) } }), "64 KiB"],
  [
    "a compressed body",
    (response) => response.writeHead(200, { "content-encoding": "gzip" }).end("x"),
    "compressed",
  ],
  ["a list", (response) => json(response, []), "object"],
  [
    "deep nesting",
    (response) => response.end(`{"metadata": {"a": ${"[".repeat(20_000)}${"]".repeat(20_000)}}}`),
    "deep",
  ],
];

test("answers that cannot be used end the stage at once, with a sentence, without path, query and secret", async () => {
  await using h = await createHarness();
  await h.startWorker({ concurrency: 1 });
  let answer: (response: ServerResponse) => void = () => {};
  const { calls, url } = await serve((response) => answer(response));
  const stages = [...START, stage("http", { url }, { retry: QUICK, secret: SECRET })];
  await h.pipelines.create(h.admin, { name: "asks", description: "", stages, isActive: null, requestId: "" });
  for (const [name, reply, words] of refusals) {
    calls.length = 0;
    answer = reply;
    const { job } = await h.jobs.create(h.admin, textRequest("A text.", { pipelineName: "asks" }));
    const ended = await until(async () => {
      const details = await h.jobs.get(h.admin, job.id);
      return details.job.endTime ? details.job : null;
    }, name);
    expect(ended, name).toMatchObject({ status: "FAILED", attempt: 1 });
    expect(ended.error, name).toMatchObject({ reason: "SERVICE_REFUSED", stage: "http", retryable: false });
    expect(ended.error?.message).toContain(words);
    expect(ended.error?.message).not.toMatch(/hidden-in-query|not-for-anybody/);
    expect(calls, name).toHaveLength(1);
  }
});

test("an answer without end is cut at its bound, and a service that does not answer at its timeout", async () => {
  await using h = await createHarness();
  await h.startWorker();
  const endless = await serve((response) => {
    response.writeHead(200);
    const piece = Buffer.alloc(1024 * 1024, 32);
    const more = (): void => {
      while (!response.destroyed && response.write(piece));
      if (!response.destroyed) response.once("drain", more);
    };
    more();
  });
  const large = await run(h, [...START, stage("http", { url: endless.url })]);
  expect(large.error).toMatchObject({
    reason: "SERVICE_REFUSED",
    message: expect.stringContaining("64 MiB"),
  });
  const { id } = await h.pipelines.get({ id: "", name: "asks", version: 0 });
  const silent = await serve((response) => {
    // Drips, so that only the whole can be too long.
    const drip = setInterval(() => response.write(" "), 20);
    response.once("close", () => clearInterval(drip));
  });
  const stages = [...START, stage("http", { url: silent.url, timeout: "0.2s" })];
  await h.pipelines.update(h.admin, id, 0, { name: "", description: "", stages, isActive: null });
  const { job } = await h.jobs.create(h.admin, textRequest("t", { pipelineName: "asks", maxAttempts: 1 }));
  const slow = await until(async () => {
    const details = await h.jobs.get(h.admin, job.id);
    return details.job.endTime ? details.job : null;
  }, "the job has ended");
  expect(slow.error).toMatchObject({
    reason: "SERVICE_UNAVAILABLE",
    message: expect.stringContaining("within 0.2 s"),
    retryable: true,
  });
});

test("an address that may not be called is EGRESS_DENIED, nobody listening SERVICE_UNAVAILABLE; SKIP goes on without", async () => {
  await using h = await createHarness();
  await h.startWorker();
  const { server, port } = await closedPort();
  server.close();
  const job = await run(h, [
    ...START,
    stage("http", { url: "http://10.0.0.1/" }, { name: "inside", onFailure: "SKIP" }),
    stage("http", { url: `http://127.0.0.1:${port}/` }, { name: "nobody", onFailure: "SKIP" }),
  ]);
  expect(job.status).toBe("COMPLETED");
  const { result } = await h.jobs.result(h.admin, job.id);
  expect(result.metadata.warnings).toEqual([
    { code: "STAGE_SKIPPED", message: expect.stringContaining("EGRESS_DENIED") },
    { code: "STAGE_SKIPPED", message: expect.stringContaining("SERVICE_UNAVAILABLE") },
  ]);
});

async function closedPort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, port: (server.address() as AddressInfo).port };
}

test("a cancel ends the call", async () => {
  await using h = await createHarness();
  await h.startWorker();
  let closed = false;
  const { calls, url } = await serve((response) => {
    response.once("close", () => {
      closed = true;
    });
  });
  const stages = [...START, stage("http", { url })];
  await h.pipelines.create(h.admin, { name: "asks", description: "", stages, isActive: null, requestId: "" });
  const { job } = await h.jobs.create(h.admin, textRequest("t", { pipelineName: "asks" }));
  await until(async () => calls.length > 0, "the service is asked");
  await h.jobs.cancel(h.admin, job.id, "");
  await until(
    async () => (await h.jobs.get(h.admin, job.id)).job.status === "CANCELLED",
    "the job is cancelled",
  );
  await until(async () => closed, "the connection is closed");
});

test("redaction reaches the result of a job in every format, and its place behind chunk", async () => {
  await using h = await createHarness();
  await h.startWorker();
  const text =
    "Write to jane@example.org or call +49 30 1234567.\n\nCard 4111 1111 1111 1111, IBAN DE89 3704 0044 0532 0130 00.";
  const job = await run(
    h,
    [...START, stage("enrich"), stage("chunk"), stage("redact", { kinds: [] }), stage("quality")],
    text,
  );
  expect(job.status).toBe("COMPLETED");
  const { result } = await h.jobs.result(h.admin, job.id);
  expect(result.extractedText).toBe(
    "Write to [redacted] or call [redacted].\n\nCard [redacted], IBAN [redacted].",
  );
  expect(result.metadata.facts).toMatchObject({ redactions: { email: 1, phone: 1, card: 1, iban: 1 } });
  const secrets = /jane|1234567|4111|DE89/;
  const [stored] = await h.db.sql<{ all: string }[]>`
    select (select string_agg(r::text, '') from job_results r) || coalesce((select string_agg(c::text, '') from job_result_contents c), '')
      || (select string_agg(s::text, '') from job_stages s) || (select string_agg(e::text, '') from job_events e) as all`;
  expect(stored?.all).toContain("[redacted]");
  expect(stored?.all).not.toMatch(secrets);
});
