import { MethodOptions_IdempotencyLevel as Level } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { createFloodGate } from "../../../src/audit/floods.ts";
import type { AuditRow } from "../../../src/audit/model.ts";
import { createCallRecorder } from "../../../src/audit/recorder.ts";
import { actionOf } from "../../../src/rpc/actions.ts";
import { registerService } from "../../../src/rpc/service.ts";
import { until } from "../../support/until.ts";
import { startEdge } from "../rpc/edge-harness.ts";
import { ADMIN, caller, METHODS, methodNamed, startInstallation } from "./audit-harness.ts";

test("every method of the contract leaves exactly one row for a call, and a stream that begins one for its end too", async () => {
  await using h = await startInstallation();
  const { accessToken } = await h.login();
  // Logout ends what the others need.
  for (const method of METHODS.toSorted(
    (a, b) => Number(a.name === "Logout") - Number(b.name === "Logout"),
  )) {
    const { action, resourceType } = actionOf(method);
    const name = `${method.parent.typeName}/${method.name}`;
    const { requestId, code } = await h.call(method, {}, { credential: accessToken });
    const isLong = (await h.rows(requestId))[0]?.phase === "begin";
    const rows = await h.rows(requestId, isLong ? 2 : 1);
    expect(
      rows.map(({ phase }) => phase),
      name,
    ).toEqual(isLong ? ["begin", "end"] : [""]);
    expect(rows[0], name).toMatchObject({ action, resourceType, method: name, decision: "allowed" });
    if (!isLong) expect(rows[0], name).toMatchObject({ code, success: code === "ok" });
  }
  expect(METHODS.length).toBeGreaterThan(60);
}, 120_000);

test("every method of the contract leaves exactly one row for a call without a credential", async () => {
  const rows: AuditRow[] = [];
  const writer = { add: (row: AuditRow) => rows.push(row) };
  const recorder = createCallRecorder({ writer, floods: createFloodGate(Date.now, 1_000), now: Date.now });
  const services = [...new Set(METHODS.map(({ parent }) => parent))];
  await using edge = await startEdge({
    services: services.map((service) => registerService(service, {})),
    onCallFinished: recorder.finished,
  });
  const call = caller(edge.url);
  for (const method of METHODS) {
    rows.length = 0;
    const { code } = await call(method, {});
    await until(async () => rows.length > 0, method.name);
    const isPublic = ["Login", "Refresh"].includes(method.name);
    expect(rows, method.name).toMatchObject([
      {
        action: actionOf(method).action,
        userId: null,
        success: false,
        code,
        decision: isPublic ? "allowed" : "denied",
      },
    ]);
  }
  await recorder.stop();
  expect(rows).toHaveLength(1);
});

// biome-ignore lint/suspicious/noExplicitAny: answers of all methods, by their names.
type Made = Record<string, any>;

/** An example of every change that a caller can make: each is given what the ones before it have answered. */
const CHANGES: readonly [name: string, request: (made: Made) => object][] = [
  [
    "CreatePipeline",
    () => ({
      name: "lean",
      config: {
        stages: [
          { type: { case: "fetch", value: {} } },
          { type: { case: "detect", value: {} } },
          { type: { case: "extract", value: {} } },
        ],
      },
    }),
  ],
  ["UpdatePipeline", ({ CreatePipeline }) => ({ ...CreatePipeline.pipeline, description: "leaner" })],
  ["DeletePipeline", ({ CreatePipeline }) => ({ id: CreatePipeline.pipeline.id })],
  [
    "UploadDocument",
    () => [
      { payload: { case: "header", value: { filename: "a.txt" } } },
      { payload: { case: "chunk", value: Buffer.from("a document") } },
    ],
  ],
  ["CreateUpload", () => ({ filename: "a.txt" })],
  [
    "CreateJob",
    () => ({ source: { case: "text", value: "a text" }, labels: { team: "blue" }, requestId: "once" }),
  ],
  ["BatchCreateJobs", () => ({ requests: [{ source: { case: "text", value: "one" } }, {}] })],
  ["CancelJob", ({ CreateJob }) => ({ id: CreateJob.job.id, reason: "not needed" })],
  ["RetryJob", ({ CreateJob }) => ({ id: CreateJob.job.id })],
  ["BatchCancelJobs", () => ({ filter: {}, maxJobs: 10 })],
  ["BatchRetryJobs", () => ({ filter: {}, maxJobs: 10 })],
  ["CancelJob", ({ CreateJob }) => ({ id: CreateJob.job.id })],
  ["DeleteJob", ({ CreateJob }) => ({ id: CreateJob.job.id })],
  ["PauseQueue", () => ({ reason: "night" })],
  ["ResumeQueue", () => ({})],
  ["CreateApiKey", () => ({ name: "ci", permissions: ["jobs:read"] })],
  ["RevokeApiKey", ({ CreateApiKey }) => ({ id: CreateApiKey.apiKey.id })],
  ["CreateRole", () => ({ name: "reader", permissions: ["jobs:read"] })],
  ["UpdateRole", () => ({ name: "reader", permissions: ["jobs:read", "pipelines:read"] })],
  ["DeleteRole", () => ({ name: "reader" })],
  ["CreateUser", () => ({ email: "b@example.com", password: "correct horse battery", roles: ["viewer"] })],
  ["UpdateUser", ({ CreateUser }) => ({ id: CreateUser.user.id, displayName: "B" })],
  ["ResetPassword", ({ CreateUser }) => ({ userId: CreateUser.user.id })],
  ["CreateWebhook", () => ({ url: "https://example.com/hook", events: ["job.completed"] })],
  ["UpdateWebhook", ({ CreateWebhook }) => ({ ...CreateWebhook.webhook, description: "ours" })],
  ["RotateWebhookSecret", ({ CreateWebhook }) => ({ id: CreateWebhook.webhook.id })],
  ["SendTestEvent", ({ CreateWebhook }) => ({ webhookId: CreateWebhook.webhook.id })],
  ["Redeliver", ({ SendTestEvent }) => ({ id: SendTestEvent.delivery.id })],
  [
    "ReplayDeliveries",
    ({ CreateWebhook: { webhook } }) => ({ webhookId: webhook.id, since: webhook.createTime }),
  ],
  ["DeleteWebhook", ({ CreateWebhook }) => ({ id: CreateWebhook.webhook.id })],
  ["Refresh", ({ Login }) => ({ refreshToken: Login.refreshToken })],
  ["Logout", () => ({})],
  ["Login", () => ADMIN],
  ["ChangePassword", () => ({ currentPassword: ADMIN.password, newPassword: "another horse battery" })],
];

test("every change leaves one row that is its own call's, and no second one comes later", async () => {
  await using h = await startInstallation();
  const made: Made = { Login: await h.login() };
  const changed: { name: string; requestId: string; action: string }[] = [];
  for (const [name, request] of CHANGES) {
    const method = methodNamed(name);
    const outcome = await h.call(method, request(made) as never, { credential: made.Login.accessToken });
    expect(outcome.code, `${name}: ${outcome.error}`).toBe("ok");
    made[name] = outcome.answer;
    changed.push({ name, requestId: outcome.requestId, action: actionOf(method).action });
  }
  // What the call itself has not committed would come within the time of a few batches: a read's row follows all of them.
  const last = await h.call(methodNamed("GetCaller"), {}, { credential: made.Login.accessToken });
  await h.rows(last.requestId);
  for (const { name, requestId, action } of changed) {
    const rows = await h.rows(requestId);
    const own = rows.filter((row) => row.action === action);
    expect(own, name).toHaveLength(1);
    expect(own[0], name).toMatchObject({ success: true, code: "ok", decision: "allowed", phase: "" });
    const beside = rows.filter((row) => row.action !== action);
    if (!name.startsWith("Batch")) expect(beside, name).toEqual([]);
    else for (const row of beside) expect(row.action, name).toBe(action.replace("batch_", ""));
  }
  const listed = new Set(CHANGES.map(([name]) => name));
  const forgotten = METHODS.filter(
    ({ idempotency, name }) => idempotency !== Level.NO_SIDE_EFFECTS && !listed.has(name),
  );
  for (const method of forgotten)
    expect(
      (await h.call(method, {}, { credential: made.Login.accessToken })).code,
      `${method.name} has no example`,
    ).not.toBe("ok");
}, 120_000);

test("the row of a change is written by the transaction that makes it", async () => {
  await using h = await startInstallation();
  const { accessToken: credential } = await h.login();
  const { answer, requestId } = await h.call(
    methodNamed("CreateJob"),
    { source: { case: "text", value: "a text" }, labels: { team: "blue" } } as never,
    { credential },
  );
  const [row] = await h.rows(requestId);
  const [job] = await h.db.sql`select xmin::text as xmin from jobs where id = ${answer.job.id}`;
  expect(row?.xmin).toBe(job?.xmin);
  expect(row).toMatchObject({
    resourceId: answer.job.id,
    requestDetails: { text: "[redacted]", labels: { keys: ["team"] }, pipeline: "default" },
  });
});

test("unknown methods, wrong forms and malformed requests leave their row", async () => {
  await using h = await startInstallation();
  const { accessToken } = await h.login();
  const send = async (path: string, requestId: string, init: RequestInit) =>
    await fetch(`${h.url}${path}`, {
      method: "POST",
      ...init,
      headers: { "x-request-id": requestId, "content-type": "application/json", ...init.headers },
    });
  const authorization = { authorization: `Bearer ${accessToken}` };
  await send("/sluice.v1.JobsService/Destroy", "unknown-method", { body: "{}" });
  await send("/sluice.v2.JobsService/GetJob", "unknown-service", { body: "{}" });
  await send("/sluice.v1.JobsService/GetJob", "wrong-type", {
    body: "<a/>",
    headers: { "content-type": "text/xml" },
  });
  await send("/sluice.v1.JobsService/GetJob", "bad-json", { body: "{", headers: authorization });
  await send("/sluice.v1.JobsService/GetJob", "bad-id", { body: '{"id": "x"}', headers: authorization });
  const one = async (requestId: string) => (await h.rows(requestId))[0];
  expect(await one("unknown-method")).toMatchObject({
    action: "rpc.unknown",
    method: "sluice.v1.JobsService/Destroy",
    code: "unimplemented",
  });
  expect(await one("unknown-service")).toMatchObject({ action: "rpc.unknown", userId: null });
  expect(await one("wrong-type")).toMatchObject({
    action: "jobs.get",
    code: "invalid_argument",
    decision: "",
  });
  expect(await one("bad-json")).toMatchObject({
    action: "jobs.get",
    code: "invalid_argument",
    requestDetails: {},
  });
  expect(await one("bad-id")).toMatchObject({
    code: "invalid_argument",
    requestDetails: { id: "x" },
    resourceId: "x",
  });
});

test("health leaves no row, over gRPC and as a page", async () => {
  await using h = await startInstallation();
  await fetch(`${h.url}/health`);
  const checked = await fetch(`${h.url}/grpc.health.v1.Health/Check`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  expect(checked.status).toBe(200);
  const { requestId } = await h.call(methodNamed("GetCaller"), {});
  await h.rows(requestId);
  expect(await h.db.sql`select 1 from audit_logs where method like 'grpc.health%'`).toHaveLength(0);
});

test("of a flood of anonymous calls twenty have a row, and one row counts the others", async () => {
  await using h = await startInstallation();
  await Promise.all(Array.from({ length: 120 }, () => h.call(methodNamed("GetJob"), {})));
  // Stopping tells the counts of the minute that has not ended.
  await h.stop();
  const rows = await h.db.sql<{ action: string; ipAddress: string; count: number | null }[]>`
    select action, host(ip_address) as ip_address, (request_details->>'count')::int as count from audit_logs
    where action in ('jobs.get', 'rpc.flood')`;
  expect(rows.filter(({ action }) => action === "jobs.get")).toHaveLength(20);
  expect(rows.filter(({ action }) => action === "rpc.flood")).toMatchObject([
    { count: 100, ipAddress: "127.0.0.1" },
  ]);
});

test("of a user's calls beyond the rate twenty have a row, and one row of the user counts the others; no allowed one is left out", async () => {
  await using h = await startInstallation({ SLUICE_RATE_PER_USER: "1" });
  const { accessToken: credential } = await h.login();
  const outcomes = await Promise.all(
    Array.from({ length: 120 }, () => h.call(methodNamed("GetCaller"), {}, { credential })),
  );
  await h.stop();
  const allowed = outcomes.filter(({ code }) => code === "ok").length;
  expect(allowed).toBeGreaterThan(0);
  const rows = await h.db.sql<{ action: string; decision: string; email: string; count: number | null }[]>`
    select action, decision, u.email, (request_details->>'count')::int as count
    from audit_logs join users u on u.id = user_id where action in ('auth.get_caller', 'rpc.flood')`;
  const of = (decision: string) => rows.filter((row) => row.decision === decision);
  expect(of("allowed")).toHaveLength(allowed);
  expect(of("denied")).toHaveLength(20);
  expect(of("")).toMatchObject([
    { action: "rpc.flood", email: ADMIN.email, count: outcomes.length - allowed - 20 },
  ]);
});

test("nothing that a client sends breaks a line or colours a terminal", async () => {
  await using h = await startInstallation();
  const { accessToken: credential } = await h.login();
  const evil = 'x\r\n{"action":"forged"}\u001b[31m\u0000';
  const { requestId } = await h.call(methodNamed("ListJobs"), { query: evil } as never, { credential });
  const [row] = await h.rows(requestId);
  const stored = String((row?.requestDetails as { query?: string } | undefined)?.query);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is the promise
  expect(stored).not.toMatch(/[\u0000-\u001f]/);
  expect(stored).toContain("\\u000d\\u000a");
});
