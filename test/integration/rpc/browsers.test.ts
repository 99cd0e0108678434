import https from "node:https";
import { cors as connectCors } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { selfSigned } from "../../support/self-signed.ts";
import { startEdge } from "./edge-harness.ts";

const APP = "https://app.example.org";
const CALL = "/sluice.v1.SystemService/GetServerInfo";
const GOOD = { authorization: "Bearer good" };
/** What a Connect and a gRPC-Web client in a browser ask for. */
const ASKED = [
  "authorization",
  "connect-protocol-version",
  "connect-timeout-ms",
  "content-type",
  "grpc-timeout",
  "x-api-key",
  "x-grpc-web",
  "x-request-id",
  "x-user-agent",
];

const names = (response: Response, header: string) =>
  (response.headers.get(header) ?? "").toLowerCase().split(/,\s*/);

function preflight(url: string, origin: string): Promise<Response> {
  const asks = {
    "access-control-request-method": "POST",
    "access-control-request-headers": ASKED.join(","),
  };
  return fetch(url + CALL, { method: "OPTIONS", headers: { origin, ...asks } });
}

function post(url: string, headers: Record<string, string>, path = CALL): Promise<Response> {
  const json = { "content-type": "application/json" };
  return fetch(url + path, { method: "POST", headers: { ...json, ...headers }, body: "{}" });
}

test("a page of an origin on the list may do what Connect and gRPC-Web clients do, and read what they read", async () => {
  await using edge = await startEdge({ corsOrigins: ["https://other.example.org", APP] });
  const asked = await preflight(edge.url, APP);
  expect(asked.status).toBe(204);
  expect(asked.headers.get("access-control-allow-origin")).toBe(APP);
  expect(names(asked, "access-control-allow-headers")).toEqual(expect.arrayContaining(ASKED));
  expect(names(asked, "access-control-allow-methods")).toEqual(
    expect.arrayContaining(["post", "get", "put"]),
  );
  expect(names(asked, "vary")).toEqual(
    expect.arrayContaining(["origin", "access-control-request-headers", "access-control-request-method"]),
  );
  // The same of an answer, a refusal by the gate, an unknown method and a plain route.
  const answers = [
    await post(edge.url, { ...GOOD, origin: APP }),
    await post(edge.url, { origin: APP }),
    await post(edge.url, { origin: APP }, "/sluice.v1.Nothing/Nothing"),
    await fetch(`${edge.url}/nothing`, { headers: { origin: APP } }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 401, 501, 404]);
  const read = [...connectCors.exposedHeaders, "x-request-id", "retry-after", "grpc-status-details-bin"];
  for (const answer of answers) {
    expect(answer.headers.get("access-control-allow-origin")).toBe(APP);
    expect(answer.headers.get("access-control-allow-credentials")).toBeNull();
    expect(names(answer, "vary")).toContain("origin");
    expect(names(answer, "access-control-expose-headers")).toEqual(
      expect.arrayContaining(read.map((name) => name.toLowerCase())),
    );
  }
});

test.each([
  "https://evil.example",
  "null",
  "*",
  "https://app.example.org.evil.com",
  "https://evilapp.example.org",
  "https://sub.app.example.org",
  "https://app.example.org:8443",
  "http://app.example.org",
  "https://APP.example.org",
  "https://app.example.org/",
  "https://app.example.org,https://evil.example",
  "",
])("a page of the origin %j gets nothing", async (origin) => {
  await using edge = await startEdge({ corsOrigins: [APP] });
  const asked = await preflight(edge.url, origin);
  const call = await post(edge.url, { ...GOOD, origin });
  expect(asked.status).toBe(403);
  for (const response of [asked, call]) {
    expect([...response.headers.keys()].filter((name) => name.startsWith("access-control-"))).toEqual([]);
    // A cache must not hand this answer to a page that is allowed.
    expect(names(response, "vary")).toContain("origin");
  }
});

test("what a browser gets cannot be guessed, framed, kept or told to others, whatever the route and the protocol", async () => {
  await using edge = await startEdge();
  const answers = [
    await post(edge.url, GOOD),
    await post(edge.url, {}),
    await post(edge.url, { ...GOOD, "content-type": "application/grpc-web+proto" }),
    await post(edge.url, {}, "/sluice.v1.Nothing/Nothing"),
    ...(await Promise.all(["/", "/nothing", "/health", "/metrics"].map((path) => fetch(edge.url + path)))),
  ];
  for (const { headers, url } of answers) {
    expect(Object.fromEntries(headers), url).toMatchObject({
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "content-security-policy": expect.stringMatching(/default-src 'none'.*frame-ancestors 'none'/),
      "cache-control": "no-store",
    });
    expect(headers.get("strict-transport-security"), url).toBeNull();
  }
});

test("with TLS a browser is told never to come without it", async () => {
  const tls = selfSigned();
  await using edge = await startEdge({ tls });
  const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
    https
      .get({ port: edge.port, path: "/health/live", ca: tls.cert, servername: "localhost" }, (response) => {
        response.resume();
        resolve(response.headers);
      })
      .on("error", reject);
  });
  expect(headers["strict-transport-security"]).toMatch(/^max-age=\d{8}/);
});

test("what a route throws is told to nobody: the answer has the request id, the log has the rest", async () => {
  const lines: object[] = [];
  const logger = { error: (fields: object) => lines.push(fields) };
  await using edge = await startEdge({
    logger: { ...logger, warn() {}, info() {}, debug() {} } as never,
    http: [
      async (req) => {
        if (!req.url?.startsWith("/.well-known/")) return false;
        throw new Error("select secret from keys at /etc/sluice on 10.9.8.7 failed");
      },
    ],
  });
  const response = await fetch(`${edge.url}/.well-known/jwks.json`);
  const requestId = response.headers.get("x-request-id");
  expect(response.status).toBe(500);
  expect(await response.json()).toEqual({ error: "internal error", request_id: requestId });
  expect(lines).toMatchObject([{ requestId, error: expect.stringContaining("10.9.8.7") }]);
});

test("what the gate throws unexpectedly is INTERNAL with the request id and nothing else", async () => {
  await using edge = await startEdge({
    authenticate: () => Promise.reject(new Error("select * from users at /srv/db on 10.9.8.7")),
  });
  for (const type of ["application/json", "application/grpc-web+proto"]) {
    const response = await post(edge.url, { ...GOOD, "content-type": type, "x-request-id": "req-7" });
    const all = `${JSON.stringify([...response.headers])} ${await response.text()}`;
    const plain = decodeURIComponent(all.replace(/%(?![0-9A-F]{2})/g, "%25"));
    expect(plain).toContain("internal error");
    expect(plain).toContain("req-7");
    expect(plain).not.toMatch(/select|users|\/srv|10\.9\.8\.7|at .*\.ts/);
  }
});
