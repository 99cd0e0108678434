import { execFile } from "node:child_process";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import type tls from "node:tls";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, test } from "vitest";
import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
} from "../../../gen/grpc/health/v1/health_pb.ts";
import { JobsService } from "../../../gen/sluice/v1/jobs_pb.ts";
import { SystemService } from "../../../gen/sluice/v1/system_pb.ts";
import { SluiceError } from "../../../src/lib/errors.ts";
import { selfSigned } from "../../support/self-signed.ts";
import { allClients } from "./clients.ts";
import { JOB_ID, startEdge, until } from "./edge-harness.ts";

const run = promisify(execFile);
const headers = { authorization: "Bearer good" };
const reasonOf = (details: string[] | undefined) =>
  Buffer.from(details?.[0]?.split(" ")[1] ?? "", "base64").toString();

describe("stopping", () => {
  test("ends the streams of every client with UNAVAILABLE, even of handlers that return quietly", async () => {
    await using edge = await startEdge();
    const clients = allClients(edge.url, edge.port);
    let begun = 0;
    const count = () => begun++;
    const { watchJob, watchJobs } = JobsService.method;
    const ends = clients.flatMap((client) => [
      client.stream(watchJob, { id: JOB_ID }, count, { headers }),
      client.stream(watchJobs, {}, count, { headers }),
    ]);
    await until(() => begun === ends.length);
    await edge.server.stop(5_000);
    for (const end of await Promise.all(ends)) {
      expect(end).toMatchObject({ code: "unavailable", message: expect.stringContaining("stopping") });
      expect(reasonOf(end?.details)).toContain("SHUTTING_DOWN");
      expect(end?.details[1]).toContain("google.rpc.RetryInfo");
    }
    expect(edge.seen.running).toBe(0);
  });

  test("lets calls that run come to their end, and takes no new connections", async () => {
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let entered = 0;
    await using edge = await startEdge({
      authenticate: async (_headers, peer) => {
        entered++;
        await released;
        const permissions = new Set(["system:read"]);
        const base = {
          userId: "u",
          email: "",
          credential: "jwt",
          credentialId: "",
          expireTime: null,
        } as const;
        return { ...base, permissions, ...peer };
      },
    });
    const clients = allClients(edge.url, edge.port);
    const calls = clients.map((client) => client.unary(SystemService.method.getServerInfo, {}, { headers }));
    await until(() => entered === clients.length);
    const stopped = edge.server.stop(5_000);
    expect(edge.server.health.isServing("")).toBe(false);
    await expect(fetch(`${edge.url}/health`)).rejects.toThrow();
    release();
    for (const { error } of await Promise.all(calls)) expect(error).toBeUndefined();
    await stopped;
  });

  test("cuts what does not end within the grace", async () => {
    await using edge = await startEdge();
    const [client] = allClients(edge.url, edge.port);
    const call = client!.unary(SystemService.method.resumeQueue, {}, { headers });
    await until(() => edge.seen.authenticated === 1);
    const socket = net.connect(edge.port, "127.0.0.1");
    await new Promise((resolve) => socket.write("GET / HTTP/1.1\r\n", resolve));
    await edge.server.stop(50);
    expect((await call).error?.code).toBe("unavailable");
    await until(() => socket.destroyed || socket.readableEnded);
  });

  test("tells those who watch its health", async () => {
    await using edge = await startEdge();
    const health = createClient(Health, createGrpcTransport({ baseUrl: edge.url }));
    const seen: Serving[] = [];
    const watching = (async () => {
      for await (const { status } of health.watch({ service: JobsService.typeName })) seen.push(status);
    })().catch(() => {});
    await until(() => seen.length === 1);
    await edge.server.stop(500);
    await watching;
    expect(seen).toEqual([Serving.SERVING, Serving.NOT_SERVING]);
  });
});

test("health answers by service name, without a credential", async () => {
  await using edge = await startEdge();
  const health = createClient(Health, createGrpcTransport({ baseUrl: edge.url }));
  expect((await health.check({})).status).toBe(Serving.SERVING);
  expect((await health.check({ service: SystemService.typeName })).status).toBe(Serving.SERVING);
  await expect(health.check({ service: "nobody" })).rejects.toMatchObject({
    rawMessage: /no service nobody/,
  });
  expect(Object.keys((await health.list({})).statuses).sort()).toEqual([
    "",
    JobsService.typeName,
    SystemService.typeName,
  ]);
});

test("buf curl lists and calls by reflection, in both versions", async () => {
  await using edge = await startEdge();
  const buf = async (...args: string[]) => {
    const { stdout } = await run("node_modules/.bin/buf", ["curl", "--http2-prior-knowledge", ...args]);
    return stdout;
  };
  const listed = await buf("--protocol", "grpc", "--list-services", edge.url);
  expect(listed).toContain("sluice.v1.JobsService\n");
  const auth = ["-H", "authorization: Bearer good"];
  const method = `${edge.url}/sluice.v1.SystemService/GetServerInfo`;
  for (const version of ["grpc-v1", "grpc-v1alpha"]) {
    const answer = await buf("--protocol", "grpc", "--reflect-protocol", version, ...auth, method);
    expect(JSON.parse(answer)).toEqual({ info: { version: "for user-1" } });
  }
}, 30_000);

describe("with a certificate", () => {
  test("one port speaks TLS, with HTTP/2 or HTTP/1.1 as ALPN says", async () => {
    const { cert, key } = selfSigned();
    await using edge = await startEdge({ tls: { cert, key } });
    expect(edge.url).toMatch(/^https:/);
    const health = (agent?: https.Agent) =>
      new Promise<number | undefined>((resolve, reject) => {
        https
          .get(`${edge.url}/health`, { ca: cert, agent }, (res) => resolve(res.resume().statusCode))
          .on("error", reject);
      });
    expect(await health(new https.Agent({ keepAlive: false }))).toBe(200);

    const session = http2.connect(edge.url, { ca: cert });
    const stream = session.request({ ":path": "/health" });
    const status = await new Promise((resolve) => stream.on("response", (h) => resolve(h[":status"])));
    expect(status).toBe(200);
    expect((session.socket as tls.TLSSocket).alpnProtocol).toBe("h2");
    stream.resume();
    session.close();

    const grpc = createGrpcTransport({ baseUrl: edge.url, nodeOptions: { ca: cert } });
    const { info } = await createClient(SystemService, grpc).getServerInfo({}, { headers });
    expect(info?.version).toBe("for user-1");
  });

  test("a handshake that never ends is closed", async () => {
    await using edge = await startEdge({ tls: selfSigned(), limits: { headersMs: 200 } });
    const socket = net.connect(edge.port, "127.0.0.1", () => socket.write(Buffer.from([0x16, 3, 1])));
    socket.on("error", () => {});
    await until(() => socket.destroyed, 3_000);
  });
});

test("a port that is in use is said in one plain sentence", async () => {
  await using edge = await startEdge();
  await expect(startEdge({ addr: { host: "127.0.0.1", port: edge.port } })).rejects.toThrow(
    `Port ${edge.port} on 127.0.0.1 is already in use; stop the other program or set SLUICE_ADDR.`,
  );
});

describe("a stream lives no longer than its credential", () => {
  test("it ends when the credential expires", async () => {
    await using edge = await startEdge({ expireTime: new Date(Date.now() + 300) });
    for (const client of allClients(edge.url, edge.port).slice(0, 1)) {
      const end = await client.stream(JobsService.method.watchJob, { id: JOB_ID }, () => {}, { headers });
      expect(end?.code).toBe("unauthenticated");
      expect(reasonOf(end?.details)).toContain("CREDENTIAL_EXPIRED");
    }
    await until(() => edge.seen.running === 0);
  });

  class Revoked extends SluiceError {
    readonly kind = "unauthenticated";
    readonly reason = "CREDENTIAL_INVALID";
  }

  test("it ends when the credential is taken back", async () => {
    let revoked = false;
    await using edge = await startEdge({
      limits: { revalidateMs: 20 },
      revalidate: async () => {
        if (revoked) throw new Revoked("The credential was revoked.");
      },
    });
    const [client] = allClients(edge.url, edge.port);
    let messages = 0;
    const count = () => messages++;
    const end = client!.stream(JobsService.method.watchJob, { id: JOB_ID }, count, { headers });
    await until(() => messages === 1);
    revoked = true;
    expect(reasonOf((await end)?.details)).toContain("CREDENTIAL_INVALID");
  });

  test("an upload too ends when the credential is taken back, and does not come to its end after that", async () => {
    const [revoked, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    await using edge = await startEdge({
      limits: { revalidateMs: 20 },
      revalidate: async () => {
        if (edge.seen.uploadedBytes === 0) return;
        revoked.resolve();
        throw new Revoked("The credential was revoked.");
      },
    });
    const jobs = createClient(JobsService, createGrpcTransport({ baseUrl: edge.url }));
    const upload = jobs.uploadDocument(
      (async function* () {
        yield { payload: { case: "header" as const, value: { filename: "a.pdf" } } };
        yield { payload: { case: "chunk" as const, value: new Uint8Array(10) } };
        await revoked.promise;
        await ended.promise;
      })(),
      { headers },
    );
    await expect(upload).rejects.toMatchObject({ rawMessage: "The credential was revoked." });
    ended.resolve();
    await until(() => edge.seen.finished.length === 1);
    await expect(edge.seen.finished[0]?.work).rejects.toThrow("The credential was revoked.");
  });
});

test("a stream outlives a moment in which its credential cannot be asked after, and no more than that", async () => {
  class Away extends SluiceError {
    readonly kind = "unavailable";
    readonly reason = "DATABASE_UNAVAILABLE";
  }
  let asked = 0;
  await using edge = await startEdge({
    limits: { revalidateMs: 20, maxUnvalidatedMs: 300 },
    revalidate: async () => {
      // Away for a moment, back, and then for good.
      if (++asked % 5 !== 0 || asked > 20) throw new Away("The database is away.");
    },
  });
  const [client] = allClients(edge.url, edge.port);
  const end = await client!.stream(JobsService.method.watchJob, { id: JOB_ID }, () => {}, { headers });
  expect(asked).toBeGreaterThan(20);
  expect(end?.code).toBe("unavailable");
});

test("a user has only so many streams", async () => {
  await using edge = await startEdge({ limits: { maxStreamsPerCaller: 1 } });
  const [client] = allClients(edge.url, edge.port);
  let messages = 0;
  const controller = new AbortController();
  const options = { headers, signal: controller.signal };
  const count = () => messages++;
  const first = client!.stream(JobsService.method.watchJob, { id: JOB_ID }, count, options);
  await until(() => messages === 1);
  const second = await client!.stream(JobsService.method.watchJob, { id: JOB_ID }, () => {}, { headers });
  expect(reasonOf(second?.details)).toContain("QUOTA_EXCEEDED");
  controller.abort();
  await first;
});

test("an upload is validated message by message and may be far larger than one message", async () => {
  await using edge = await startEdge();
  const jobs = createClient(JobsService, createGrpcTransport({ baseUrl: edge.url }));
  const chunk = { payload: { case: "chunk" as const, value: new Uint8Array(1024 * 1024) } };
  const header = { payload: { case: "header" as const, value: { filename: "a.pdf" } } };
  const { document } = await jobs.uploadDocument(
    (async function* () {
      yield header;
      for (let i = 0; i < 12; i++) yield chunk;
    })(),
    { headers },
  );
  expect(document?.sizeBytes).toBe(12n * 1024n * 1024n);
  const bad = jobs.uploadDocument(
    (async function* () {
      yield header;
      yield {};
    })(),
    { headers },
  );
  await expect(bad).rejects.toMatchObject({ rawMessage: expect.stringContaining("payload") });
});

describe("plain HTTP", () => {
  test("health tells each part in plain words, with 503 when a needed one fails", async () => {
    let database = true;
    const never = () => new Promise<void>(() => {});
    await using edge = await startEdge({
      checks: [
        {
          name: "database",
          critical: true,
          check: async () => {
            if (!database) throw new Error("connect ECONNREFUSED 10.1.2.3:5432");
          },
        },
        { name: "workers", critical: false, check: never },
      ],
    });
    const get = async (path: string) => {
      const response = await fetch(edge.url + path);
      return { status: response.status, body: (await response.json()) as { status: string; checks: object } };
    };
    expect(await get("/health/ready")).toMatchObject({ status: 200, body: { status: "ok" } });
    database = false;
    const { status, body } = await get("/health");
    expect(status).toBe(503);
    expect(body).toMatchObject({
      status: "failed",
      checks: {
        database: { status: "failed", error: "database does not answer" },
        workers: { status: "failed", error: "no answer within 2000 ms" },
      },
    });
    expect(await get("/health/live")).toMatchObject({ status: 200 });
  });

  test("injected routes come before 404, HEAD has no body, and security headers are set", async () => {
    await using edge = await startEdge({
      http: [
        async (req, res) => {
          if (!req.url?.startsWith("/files/")) return false;
          res.end("file");
          return true;
        },
      ],
    });
    expect(await (await fetch(`${edge.url}/files/a`)).text()).toBe("file");
    const missing = await fetch(`${edge.url}/nothing`);
    expect(missing.status).toBe(404);
    expect(missing.headers.get("x-content-type-options")).toBe("nosniff");
    const head = await fetch(`${edge.url}/`, { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(await head.text()).toBe("");
  });
});
