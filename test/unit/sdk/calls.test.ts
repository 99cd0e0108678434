import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createSluice } from "../../../sdk/src/node.ts";
import { failure, startServer } from "./server.ts";

const fast = { retry: { baseMs: 1, capMs: 2 } };
const unavailable = () => failure(Code.Unavailable, "DATABASE_UNAVAILABLE", "The database does not answer.");

test("UNAVAILABLE is repeated for reads, and for creates under one and the same request id", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url, ...fast });
  server.knobs.failures = [unavailable(), unavailable()];
  expect((await sluice.system.getServerInfo({})).info?.version).toBe("9.9.9");
  server.knobs.failures = [unavailable()];
  const job = await sluice.jobs.submit({ text: "hello" });
  expect(server.calls).toEqual([...Array(3).fill("getServerInfo"), "createJob", "createJob"]);
  expect(job.requestId).toMatch(/^[0-9a-f-]{36}$/);
  expect(server.jobs.size).toBe(1);
});

test("changes without a request id, and other codes, are not repeated", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url, ...fast });
  server.knobs.failures = [unavailable()];
  await expect(sluice.jobs.cancelJob({ id: "x" })).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  server.knobs.failures = [failure(Code.Internal, "INTERNAL", "Oh.")];
  await expect(sluice.jobs.get("x")).rejects.toMatchObject({ reason: "INTERNAL" });
  server.knobs.failures = [
    failure(Code.ResourceExhausted, "RATE_LIMITED", "Slow down.", { retryAfterMs: 1 }),
  ];
  await expect(sluice.jobs.get("x")).rejects.toMatchObject({ reason: "RATE_LIMITED", retryAfterMs: 1 });
  expect(server.calls).toEqual(["cancelJob", "getJob", "getJob"]);
});

test("a server that is down for good is given up after the last attempt", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url, ...fast });
  server.knobs.failures = Array.from({ length: 10 }, unavailable);
  await expect(sluice.jobs.get("x")).rejects.toMatchObject({ code: "unavailable" });
  expect(server.calls).toHaveLength(4);
});

test("the server's own delay is kept between attempts, and never beyond the deadline", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url, ...fast });
  server.knobs.failures = [failure(Code.Unavailable, "SHUTTING_DOWN", "Stops.", { retryAfterMs: 80 })];
  const begun = performance.now();
  await sluice.system.getServerInfo({});
  expect(performance.now() - begun).toBeGreaterThanOrEqual(75);
  server.knobs.failures = [failure(Code.Unavailable, "SHUTTING_DOWN", "Stops.", { retryAfterMs: 900 })];
  await expect(sluice.system.getServerInfo({}, { timeoutMs: 500 })).rejects.toMatchObject({
    reason: "SHUTTING_DOWN",
  });
});

test("an address where nothing answers is UNREACHABLE", async () => {
  using sluice = createSluice({ url: "http://127.0.0.1:9", ...fast });
  await expect(sluice.jobs.get("x")).rejects.toMatchObject({ code: "unavailable", reason: "UNREACHABLE" });
});

test("a fired signal ends a call as CANCELLED, before and during it", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url });
  const signal = AbortSignal.abort();
  await expect(sluice.jobs.get("x", { signal })).rejects.toMatchObject({
    reason: "CANCELLED",
    code: "canceled",
  });
  expect(server.calls).toEqual([]);
  server.knobs.failures = [failure(Code.Unavailable, "SHUTTING_DOWN", "Stops.", { retryAfterMs: 10_000 })];
  const controller = new AbortController();
  const call = sluice.system.getServerInfo({}, { signal: controller.signal });
  setTimeout(() => controller.abort(), 20);
  await expect(call).rejects.toMatchObject({ reason: "CANCELLED" });
});

test("200 calls at once on a cold connection all succeed", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url });
  const answers = await Promise.all(Array.from({ length: 200 }, () => sluice.system.getServerInfo({})));
  expect(answers).toHaveLength(200);
});

test("a message beyond the server's limit is refused here, and the next call works", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url });
  const source = { case: "inline" as const, value: { data: new Uint8Array(5 * 1024 * 1024) } };
  await expect(sluice.jobs.createJob({ source })).rejects.toMatchObject({ reason: "MESSAGE_TOO_LARGE" });
  expect((await sluice.system.getServerInfo({})).info?.version).toBe("9.9.9");
});

test("an API key goes out as a bearer, and contradicting credentials are refused", async () => {
  await using server = await startServer({ credential: "slk_1" });
  using sluice = createSluice({ url: server.url, apiKey: "slk_1" });
  await sluice.system.getServerInfo({});
  using stranger = createSluice({ url: server.url, apiKey: "slk_2" });
  await expect(stranger.system.getServerInfo({})).rejects.toMatchObject({ reason: "CREDENTIAL_INVALID" });
  expect(() => createSluice({ url: server.url, apiKey: "a", accessToken: "b" })).toThrow(TypeError);
  expect(() => createSluice({ url: "nonsense" })).toThrow(TypeError);
});

test("20 calls share one login, and after the token's end one refresh", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url, login: { email: "a@example.com", password: "right" } });
  const burst = () => Promise.all(Array.from({ length: 20 }, () => sluice.system.getServerInfo({})));
  server.knobs.tokenLifeMs = 10_000;
  await burst();
  expect(server.calls.filter((call) => call === "login")).toHaveLength(1);
  server.knobs.tokenLifeMs = 600_000;
  await burst();
  expect(server.calls.filter((call) => call === "refresh")).toHaveLength(1);
  expect(server.calls.filter((call) => call === "login")).toHaveLength(1);
});

test("a token that the server takes back is renewed once, in mid-flight", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url, login: { email: "a@example.com", password: "right" } });
  await sluice.system.getServerInfo({});
  using other = createSluice({ url: server.url, login: { email: "a@example.com", password: "right" } });
  await other.system.getServerInfo({});
  await Promise.all([1, 2, 3].map(() => sluice.system.getServerInfo({})));
  expect(server.calls.filter((call) => call === "login")).toHaveLength(3);
});

test("a wrong password is LOGIN_FAILED and tried once", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url, login: { email: "a@example.com", password: "wrong" } });
  await expect(sluice.system.getServerInfo({})).rejects.toMatchObject({ reason: "LOGIN_FAILED" });
  expect(server.calls).toEqual(["login"]);
});
