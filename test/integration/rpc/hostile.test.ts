import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { JobsService } from "../../../gen/sluice/v1/jobs_pb.ts";
import { allClients } from "./clients.ts";
import { JOB_ID, MIB, startEdge, until } from "./edge-harness.ts";

const WATCH_FLOOD = { id: JOB_ID, afterSequence: 1 };
const json = { "content-type": "application/json" };

/** A TCP connection that collects what comes back. */
function connect(port: number) {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  const state = { socket, text: "", closed: false };
  socket.on("data", (chunk) => {
    state.text += chunk.toString("latin1");
  });
  socket.on("close", () => {
    state.closed = true;
  });
  return state;
}

test("an HTTP/2 preface that arrives byte by byte is understood", async () => {
  await using edge = await startEdge();
  const { socket } = connect(edge.port);
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  let answer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    answer = Buffer.concat([answer, chunk]);
  });
  for (const byte of Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings])) {
    await new Promise((resolve) => socket.write(Buffer.from([byte]), resolve));
    await new Promise(setImmediate);
  }
  await until(() => answer.length >= 9);
  expect(answer[3]).toBe(4);
  socket.destroy();
});

test("an HTTP/1.1 request line that arrives in pieces is understood", async () => {
  await using edge = await startEdge();
  const connection = connect(edge.port);
  for (const piece of ["P", "OST /nothing HT", "TP/1.1\r\nhost: x\r\nconnec", "tion: close\r\n\r\n"]) {
    await new Promise((resolve) => connection.socket.write(piece, resolve));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until(() => connection.closed);
  expect(connection.text).toContain("HTTP/1.1 404 Not Found");
});

test("connections that say nothing, half a preface or half a header are closed in time", async () => {
  await using edge = await startEdge({ limits: { headersMs: 200 } });
  const silent = connect(edge.port);
  const half = connect(edge.port);
  half.socket.write("PRI * HT");
  const slow = connect(edge.port);
  slow.socket.write("GET / HTTP/1.1\r\nhost: x\r\n");
  const drip = setInterval(() => slow.socket.write("x-a: b\r\n"), 50);
  await until(() => silent.closed && half.closed && slow.closed, 3_000);
  clearInterval(drip);
  expect(slow.text).toContain("408");
});

test.each([
  ["a Host that is none", "POST /sluice.v1.JobsService/GetJob HTTP/1.1\r\nhost: [[[\r\n", "400"],
  ["HTTP/1.0 without Host", "POST /sluice.v1.JobsService/GetJob HTTP/1.0\r\n", "400"],
  ["garbage", "\x01\x02\x03garbage\r\n", "400"],
  ["headers over 16 KiB", `GET / HTTP/1.1\r\nhost: x\r\nx-a: ${"a".repeat(17_000)}\r\n`, "431"],
])("%s is answered and hurts nobody", async (_, head, status) => {
  await using edge = await startEdge();
  const connection = connect(edge.port);
  connection.socket.write(`${head}content-type: application/json\r\ncontent-length: 2\r\n\r\n{}`);
  await until(() => connection.text.includes(status));
  expect((await fetch(`${edge.url}/health/live`)).status).toBe(200);
  connection.socket.destroy();
});

describe("a body that nobody may send", () => {
  const path = "/sluice.v1.JobsService/CreateJob";

  test("a gzip bomb without a credential is refused before any of it is read", async () => {
    await using edge = await startEdge();
    const request = http.request({
      port: edge.port,
      path,
      method: "POST",
      headers: { ...json, "content-encoding": "gzip", "transfer-encoding": "chunked" },
    });
    request.on("error", () => {});
    request.flushHeaders();
    const response = await new Promise<http.IncomingMessage>((resolve) => request.on("response", resolve));
    expect(response.statusCode).toBe(401);
    request.destroy();
  });

  test("with Expect: 100-continue, the body is not even asked for", async () => {
    await using edge = await startEdge();
    const connection = connect(edge.port);
    const head = "host: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\nexpect: 100-continue\r\n";
    connection.socket.write(`POST ${path} HTTP/1.1\r\n${head}\r\n`);
    await until(() => connection.text.includes("HTTP/1.1 "));
    expect(connection.text).toMatch(/^HTTP\/1\.1 401/);
    connection.socket.destroy();
  });

  test("with Expect: 100-continue and a credential, the body is asked for and used", async () => {
    await using edge = await startEdge();
    const connection = connect(edge.port);
    const head =
      "host: x\r\ncontent-type: application/json\r\ncontent-length: 12\r\nexpect: 100-continue\r\n";
    connection.socket.write(`POST ${path} HTTP/1.1\r\n${head}authorization: Bearer good\r\n\r\n`);
    await until(() => connection.text.startsWith("HTTP/1.1 100 Continue"));
    connection.socket.write('{"text":"a"}');
    await until(() => connection.text.includes("HTTP/1.1 200 OK"));
    connection.socket.destroy();
  });

  test("a gzip bomb with a credential ends at the limit", async () => {
    await using edge = await startEdge();
    const bomb = gzipSync(Buffer.alloc(64 * MIB));
    const response = await fetch(`${edge.url}${path}`, {
      method: "POST",
      headers: { ...json, "content-encoding": "gzip", authorization: "Bearer good" },
      body: bomb,
    });
    expect(response.status).toBe(429);
    expect(await response.json()).toMatchObject({ details: [{ debug: { reason: "MESSAGE_TOO_LARGE" } }] });
  });

  test("too large and of unannounced size, it is refused, and the connection serves the next call", async () => {
    await using edge = await startEdge();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const post = (body: string) =>
      new Promise<{ status: number | undefined; port: number | undefined }>((resolve, reject) => {
        const headers = { ...json, authorization: "Bearer good", "transfer-encoding": "chunked" };
        const request = http.request({ agent, port: edge.port, path, method: "POST", headers });
        request.on("error", reject);
        request.on("response", (response) => {
          const status = response.statusCode;
          const port = response.socket.localPort;
          response.resume().on("end", () => resolve({ status, port }));
        });
        request.end(body);
      });
    const refused = await post(`{"text":"${"x".repeat(8 * MIB)}"}`);
    expect(refused.status).toBe(429);
    expect(await post('{"text":"a"}')).toEqual({ status: 200, port: refused.port });
    agent.destroy();
  });

  test("a body that stops arriving ends its call", async () => {
    await using edge = await startEdge({ limits: { bodyIdleMs: 200 } });
    const connection = connect(edge.port);
    const head =
      "host: x\r\ncontent-type: application/json\r\ncontent-length: 900\r\nauthorization: Bearer good\r\n";
    connection.socket.write(`POST ${path} HTTP/1.1\r\n${head}\r\n{"te`);
    await until(() => connection.text.includes("deadline_exceeded"));
    expect(connection.text).toContain("too slowly");
    connection.socket.destroy();
  });

  test("a body that arrives by drops ends its call", async () => {
    await using edge = await startEdge({ limits: { bodyIdleMs: 200 } });
    const connection = connect(edge.port);
    const head =
      "host: x\r\ncontent-type: application/json\r\ncontent-length: 900\r\nauthorization: Bearer good\r\n";
    connection.socket.write(`POST ${path} HTTP/1.1\r\n${head}\r\n{"te`);
    const drip = setInterval(() => connection.socket.write(" "), 20);
    await until(() => connection.text.includes("deadline_exceeded"));
    clearInterval(drip);
    connection.socket.destroy();
  });
});

describe("over HTTP/2 too", () => {
  const open = (edge: { url: string }, headers: Record<string, string>) => {
    const session = http2.connect(edge.url);
    session.on("error", () => {});
    const stream = session.request({
      ":method": "POST",
      ":path": "/sluice.v1.JobsService/CreateJob",
      ...headers,
    });
    const state = { session, stream, status: 0, grpcStatus: "", text: "" };
    stream.on("error", () => {});
    stream.on("response", (answer) => {
      state.status = answer[":status"] ?? 0;
      state.grpcStatus = String(answer["grpc-status"] ?? "");
    });
    stream.on("trailers", (answer) => {
      state.grpcStatus = String(answer["grpc-status"]);
    });
    stream.on("data", (chunk) => {
      state.text += chunk;
    });
    return state;
  };

  test("a body without a credential is refused before any of it is read, inflated or not", async () => {
    await using edge = await startEdge();
    const gzip = open(edge, { ...json, "content-encoding": "gzip" });
    const large = open(edge, { ...json, "content-length": String(1024 * MIB) });
    const grpc = open(edge, {
      "content-type": "application/grpc+proto",
      "grpc-encoding": "gzip",
      te: "trailers",
    });
    await until(() => gzip.status === 401 && large.status === 401 && grpc.grpcStatus === "16");
    for (const { session } of [gzip, large, grpc]) session.destroy();
  });

  test("a gzip bomb with a credential ends at the limit", async () => {
    await using edge = await startEdge();
    const bomb = gzipSync(Buffer.alloc(64 * MIB));
    const frame = Buffer.alloc(5);
    frame.writeUInt8(1, 0);
    frame.writeUInt32BE(bomb.length, 1);
    const grpc = { "content-type": "application/grpc+proto", "grpc-encoding": "gzip", te: "trailers" };
    const call = open(edge, { ...grpc, authorization: "Bearer good" });
    call.stream.end(Buffer.concat([frame, bomb]));
    await until(() => call.grpcStatus === "8");
    call.session.destroy();
  });

  test.each(["stops arriving", "arrives by drops"])("a body that %s ends its call", async (how) => {
    await using edge = await startEdge({ limits: { bodyIdleMs: 200 } });
    const call = open(edge, { ...json, authorization: "Bearer good" });
    call.stream.write('{"te');
    const drip = setInterval(() => how === "arrives by drops" && call.stream.write(" "), 20);
    await until(() => call.text.includes("deadline_exceeded"));
    clearInterval(drip);
    call.session.destroy();
  });

  test("headers over 16 KiB are refused, and no handler sees them", async () => {
    await using edge = await startEdge();
    const call = open(edge, { ...json, authorization: "Bearer good", "x-a": "a".repeat(17_000) });
    await until(() => call.status === 431);
    expect(edge.seen.authenticated).toBe(0);
    call.session.destroy();
  });

  test("one address may have only so many sessions", async () => {
    await using edge = await startEdge({ limits: { maxConnectionsPerAddress: 3 } });
    const sessions = Array.from({ length: 5 }, () => http2.connect(edge.url).on("error", () => {}));
    await until(() => sessions.filter(({ closed, destroyed }) => closed || destroyed).length === 2);
    for (const session of sessions) session.destroy();
  });
});

describe("a reader who stays and reads nothing is cut, and its handler ends", () => {
  const message = JSON.stringify(WATCH_FLOOD);
  const body = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), Buffer.from(message)]);
  const type = { "content-type": "application/connect+json", authorization: "Bearer good" };

  test("over HTTP/1.1", async () => {
    await using edge = await startEdge({ limits: { unreadMs: 200 } });
    const request = http.request({
      port: edge.port,
      path: "/sluice.v1.JobsService/WatchJob",
      method: "POST",
      headers: { ...type, "content-length": body.length },
    });
    request.on("error", () => {});
    request.on("response", (response) => response.on("error", () => {}).pause());
    request.end(body);
    await until(() => edge.seen.aborts.length === 1);
    await until(() => edge.seen.running === 0);
    request.destroy();
  });

  test("over HTTP/2, while the rest of its session goes on", async () => {
    await using edge = await startEdge({ limits: { unreadMs: 200 } });
    const session = http2.connect(edge.url);
    session.on("error", () => {});
    const path = { ":method": "POST", ":path": "/sluice.v1.JobsService/WatchJob" };
    const unread = session.request({ ...path, ...type });
    unread.on("error", () => {}).pause();
    unread.end(body);
    // One that reads, and waits for the next message longer than that.
    const calm = JSON.stringify({ id: JOB_ID });
    const quiet = session.request({ ...path, ...type });
    quiet.on("error", () => {}).resume();
    quiet.end(Buffer.concat([Buffer.from([0, 0, 0, 0, calm.length]), Buffer.from(calm)]));
    await until(() => edge.seen.running === 2);
    await until(() => edge.seen.running === 1);
    expect(session.destroyed).toBe(false);
    expect(quiet.destroyed).toBe(false);
    session.destroy();
  });
});

test("names like __proto__ in maps and structures are data, and change no object", async () => {
  await using edge = await startEdge();
  const own = '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}';
  const response = await fetch(`${edge.url}/sluice.v1.JobsService/CreateJob`, {
    method: "POST",
    headers: { ...json, authorization: "Bearer good" },
    body: `{"text": "a", "labels": {"__proto__": "x", "constructor": "y"}, "parameters": ${own}}`,
  });
  expect(await response.text()).toContain('"labels":{"__proto__":"x","constructor":"y"}');
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  expect(Object.prototype).not.toHaveProperty("polluted");
});

test.each([-1, -(2 ** 31), 501, 2 ** 31 - 1])("a page_size of %i is refused by name", async (pageSize) => {
  await using edge = await startEdge();
  const response = await fetch(`${edge.url}/sluice.v1.JobsService/ListJobs`, {
    method: "POST",
    headers: { ...json, authorization: "Bearer good" },
    body: JSON.stringify({ pageSize }),
  });
  expect(response.status).toBe(400);
  expect(await response.text()).toContain("page_size");
});

test.each(["1.1", "2"])("two authorization headers over HTTP/%s are refused", async (version) => {
  await using edge = await startEdge();
  let text = "";
  if (version === "1.1") {
    const connection = connect(edge.port);
    const lines =
      "content-type: application/json\r\nauthorization: Bearer good\r\nauthorization: Bearer other\r\n";
    const head = `host: x\r\n${lines}content-length: 2\r\nconnection: close\r\n\r\n`;
    connection.socket.write(`POST /sluice.v1.SystemService/GetServerInfo HTTP/1.1\r\n${head}{}`);
    await until(() => connection.closed);
    text = connection.text;
  } else {
    const session = http2.connect(edge.url);
    const flat = [
      "content-type",
      "application/json",
      "authorization",
      "Bearer good",
      "x-api-key",
      "slk_other",
    ];
    const pseudo = { ":method": "POST", ":path": "/sluice.v1.SystemService/GetServerInfo" };
    const pairs = Object.fromEntries(flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1]]])));
    const stream = session.request({ ...pseudo, ...pairs });
    stream.end("{}");
    text = Buffer.concat(await stream.toArray()).toString();
    session.close();
  }
  expect(text).toContain("CREDENTIALS_CONFLICT");
  expect(edge.seen.authenticated).toBe(0);
});

describe("a reader who stops reading and vanishes frees its handler", () => {
  const floods = async (edge: Awaited<ReturnType<typeof startEdge>>) => {
    // The writer waits once nothing more is taken from it.
    await until(() => edge.seen.running === 1);
    let last = -1;
    while (last !== edge.seen.yielded) {
      last = edge.seen.yielded;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(edge.seen.running).toBe(1);
  };

  test("over HTTP/1.1", async () => {
    await using edge = await startEdge();
    const { socket } = connect(edge.port);
    const message = JSON.stringify(WATCH_FLOOD);
    const body = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), Buffer.from(message)]);
    const head = "host: x\r\ncontent-type: application/connect+json\r\nauthorization: Bearer good\r\n";
    socket.pause();
    socket.write(
      `POST /sluice.v1.JobsService/WatchJob HTTP/1.1\r\n${head}content-length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
    await floods(edge);
    socket.destroy();
    await until(() => edge.seen.running === 0);
  });

  test.each(["reset", "connection"])("over HTTP/2, by losing its %s", async (what) => {
    await using edge = await startEdge();
    const session = http2.connect(edge.url);
    session.on("error", () => {});
    const message = JSON.stringify(WATCH_FLOOD);
    const stream = session.request({
      ":method": "POST",
      ":path": "/sluice.v1.JobsService/WatchJob",
      "content-type": "application/connect+json",
      authorization: "Bearer good",
    });
    stream.on("error", () => {});
    stream.pause();
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), Buffer.from(message)]));
    await floods(edge);
    if (what === "reset") stream.close(http2.constants.NGHTTP2_CANCEL);
    else session.destroy();
    await until(() => edge.seen.running === 0);
    session.destroy();
  });
});

/** A stream for a call whose body is still to come. */
function openCall(session: http2.ClientHttp2Session, credential: string): http2.ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": "/sluice.v1.SystemService/PauseQueue",
    "content-type": "application/json",
    authorization: `Bearer ${credential}`,
  });
  stream.on("error", () => {});
  return stream;
}

test.each([
  ["is at work on them", "good"],
  ["has refused them", "bad"],
])(
  "a client that opens streams only to reset them loses its session, also when the server %s",
  async (_, credential) => {
    await using edge = await startEdge();
    const session = http2.connect(edge.url);
    session.on("error", () => {});
    let closed = false;
    session.on("close", () => {
      closed = true;
    });
    const codes: number[] = [];
    session.on("goaway", (code) => codes.push(code));
    for (let i = 0; i < 300 && !closed; i++) {
      const stream = openCall(session, credential);
      stream.end("{}");
      if (i % 20 === 19) await new Promise((resolve) => setTimeout(resolve, 20));
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
    await until(() => closed);
    expect(codes[0]).toBe(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    await until(() => edge.seen.running === 0);
  },
);

test("of streams that a client resets at once, again and again, only the first ones are served; others are as ever", async () => {
  await using edge = await startEdge({ limits: { maxResets: 1_000 } });
  const session = http2.connect(edge.url);
  session.on("error", () => {});
  const open = () => openCall(session, "bad");
  const seen = () => new Promise((resolve) => session.ping(resolve));
  await once(session, "connect");
  for (let burst = 0; burst < 20; burst++) {
    for (let i = 0; i < 5; i++) open().close(http2.constants.NGHTTP2_CANCEL);
    await seen();
  }
  const [answer] = await once(open().end("{}"), "response");
  expect(answer[":status"]).toBe(401);
  // The first ten, and what came in the same read as the last of them.
  expect(edge.seen.finished.length - 1).toBeLessThanOrEqual(20);
  session.destroy();
});

test("a client that takes leave with an error, of more streams than it may reset, takes nothing else with it", async () => {
  await using edge = await startEdge({ limits: { maxResets: 3 } });
  const session = http2.connect(edge.url);
  session.on("error", () => {});
  const message = JSON.stringify({ id: JOB_ID });
  const body = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), Buffer.from(message)]);
  for (let i = 0; i < 10; i++) {
    const stream = session.request({
      ":method": "POST",
      ":path": "/sluice.v1.JobsService/WatchJob",
      "content-type": "application/connect+json",
      authorization: "Bearer good",
    });
    stream.on("error", () => {}).resume();
    stream.end(body);
  }
  await until(() => edge.seen.running === 10);
  session.goaway(http2.constants.NGHTTP2_INTERNAL_ERROR);
  await until(() => edge.seen.running === 0);
  expect((await fetch(`${edge.url}/health`)).status).toBe(200);
  session.destroy();
});

test("a client that answers no pings is dropped, and its handler with it", async () => {
  await using edge = await startEdge({ limits: { pingIntervalMs: 100 } });
  // A proxy that stops passing anything on, as a dead line does.
  const proxy = net.createServer({ allowHalfOpen: true }, (from) => {
    const to = net.connect(edge.port, "127.0.0.1");
    from.pipe(to).pipe(from);
    from.on("error", () => {});
    to.on("error", () => {});
    proxy.once("freeze", () => {
      from.unpipe(to);
      to.unpipe(from);
      to.resume();
    });
  });
  const port = await new Promise<number>((resolve) => {
    proxy.listen(0, () => resolve((proxy.address() as net.AddressInfo).port));
  });
  const through = allClients(`http://127.0.0.1:${port}`, port)[0]!;
  let messages = 0;
  const headers = { authorization: "Bearer good" };
  const count = () => messages++;
  void through.stream(JobsService.method.watchJob, { id: JOB_ID }, count, { headers });
  await until(() => messages === 1);
  proxy.emit("freeze");
  await until(() => edge.seen.running === 0);
  through.close();
  proxy.close();
});

test("one address may have only so many connections", async () => {
  await using edge = await startEdge({ limits: { maxConnectionsPerAddress: 3 } });
  const connections = Array.from({ length: 4 }, () => connect(edge.port));
  await until(() => connections.filter(({ closed }) => closed).length === 1);
  for (const { socket } of connections) socket.destroy();
  await until(() => connections.every(({ closed }) => closed));
});
