import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { bytes, collect, startFileServer } from "./storage-harness.ts";

const HOUR = { expiresInSeconds: 3_600 };

describe("reading by a signed link", () => {
  test("gives the bytes with headers that keep a browser safe", async () => {
    await using h = await startFileServer();
    await h.store.put("r/one", Buffer.from("<script>"));
    const { url, expireTime } = await h.store.signGet("r/one", {
      ...HOUR,
      filename: "Übersicht.html",
      mediaType: "text/html",
    });
    expect(expireTime.getTime()).toBe(h.clock.ms + 3_600_000);
    const answer = await fetch(url);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe("<script>");
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": "text/html",
      "content-length": "8",
      "content-disposition": `attachment; filename="_bersicht.html"; filename*=UTF-8''%C3%9Cbersicht.html`,
      "x-content-type-options": "nosniff",
      "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
      "accept-ranges": "bytes",
    });
    expect(answer.headers.get("set-cookie")).toBeNull();
    const head = await fetch(url, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "8", ""]);
  });

  test("serves ranges, conditions and empty objects by the book", async () => {
    await using h = await startFileServer();
    await h.store.put("r", Buffer.from("0123456789"));
    await h.store.put("empty", Buffer.alloc(0));
    const { url } = await h.store.signGet("r", HOUR);
    const get = async (headers: Record<string, string>, link = url) => {
      const answer = await fetch(link, { headers });
      return [answer.status, answer.headers.get("content-range"), await answer.text()];
    };
    const etag = (await fetch(url)).headers.get("etag") ?? "";
    expect(await get({ range: "bytes=2-4" })).toEqual([206, "bytes 2-4/10", "234"]);
    expect(await get({ range: "bytes=-2" })).toEqual([206, "bytes 8-9/10", "89"]);
    expect(await get({ range: "bytes=2-4", "if-range": etag })).toEqual([206, "bytes 2-4/10", "234"]);
    expect(await get({ range: "bytes=2-4", "if-range": '"other"' })).toEqual([200, null, "0123456789"]);
    expect((await get({ range: "bytes=10-" })).slice(0, 2)).toEqual([416, "bytes */10"]);
    expect(await get({ "if-none-match": `"x", W/${etag}` })).toEqual([304, null, ""]);
    await h.store.put("r", Buffer.from("abcdefghij"));
    expect(await get({ "if-none-match": etag })).toEqual([200, null, "abcdefghij"]);
    const empty = (await h.store.signGet("empty", HOUR)).url;
    expect(await get({}, empty)).toEqual([200, null, ""]);
    expect((await get({ range: "bytes=0-" }, empty))[0]).toBe(416);
  });

  test("is refused when the link was altered, has expired, or is for another key, method or route", async () => {
    await using h = await startFileServer();
    await h.store.put("mine", Buffer.from("mine"));
    await h.store.put("yours", Buffer.from("yours"));
    const { url } = await h.store.signGet("mine", HOUR);
    const status = async (link: string, init: RequestInit = {}) => (await fetch(link, init)).status;
    expect(await status(url.replace("/mine", "/yours"))).toBe(403);
    expect(await status(url.replace(/expires=(\d)/, "expires=9$1"))).toBe(403);
    expect(await status(url.replace(/sig=.{4}/, "sig=AAAA"))).toBe(403);
    expect(await status(`${url}&filename=evil.exe`)).toBe(403);
    expect(await status(`${h.origin}/files/mine`)).toBe(403);
    expect(await status(url, { method: "PUT", body: "x" })).toBe(403);
    expect(await status(url, { method: "DELETE" })).toBe(405);
    expect(await status(`${h.origin}/else`)).toBe(418);
    expect(await status((await h.store.signGet("absent", HOUR)).url)).toBe(404);
    h.clock.ms += 3_600_000;
    const late = await fetch(url);
    expect([late.status, await late.json()]).toEqual([
      403,
      { reason: "LINK_EXPIRED", message: "This link has expired; ask the API for a new one." },
    ]);
    expect(await collect((await h.store.get("mine")).body)).toEqual(Buffer.from("mine"));
  });

  test.each([
    "/files/../../etc/passwd",
    "/files/%2e%2e/%2e%2e/etc/passwd",
    "/files//etc/passwd",
    "/files/a%00b",
    "/files/%",
    "/files/",
  ])("is refused for %s", async (path) => {
    await using h = await startFileServer();
    const answer = await raw(
      h.port,
      `GET ${path}?expires=9999999999&method=GET&sig=AAAA HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 403 /);
  });

  test("ends when the client goes away, and leaves the server well", async () => {
    await using h = await startFileServer();
    await h.store.put("long", bytes(64 * 1024 * 1024));
    const { url } = await h.store.signGet("long", HOUR);
    const abort = new AbortController();
    const answer = await fetch(url, { signal: abort.signal });
    await answer.body?.getReader().read();
    abort.abort();
    await h.settled();
    expect((await fetch(url, { headers: { range: "bytes=0-0" } })).status).toBe(206);
    expect(h.errors).toEqual([]);
  });
});

describe.each(["http1", "http2"] as const)("writing by a signed link over %s", (protocol) => {
  test("stores the bytes, tells their size and hash, and reports the upload once", async () => {
    await using h = await startFileServer(protocol);
    const content = await collect(bytes(300_000));
    const sha256 = createHash("sha256").update(content).digest("hex");
    const { url, headers } = await h.store.signPut("up/one", {
      ...HOUR,
      maxBytes: 300_000,
      mediaType: "application/pdf",
    });
    expect(headers).toEqual({ "content-type": "application/pdf" });
    expect(await put(protocol, url, content, headers)).toEqual([201, { size: 300_000, sha256 }]);
    const [upload] = h.uploads;
    expect(h.uploads).toHaveLength(1);
    expect(upload).toMatchObject({ key: "up/one", stored: { size: 300_000, sha256 } });
    expect((await collect((await h.store.get(upload?.storedKey ?? "")).body)).equals(content)).toBe(true);
  });

  test("with a link that was used before changes nothing that is stored", async () => {
    await using h = await startFileServer(protocol);
    const { url } = await h.store.signPut("up/one", { ...HOUR, maxBytes: 10 });
    expect([
      (await put(protocol, url, Buffer.from("first")))[0],
      (await put(protocol, url, Buffer.from("second")))[0],
    ]).toEqual([201, 201]);
    const [first, second] = h.uploads;
    expect(first?.storedKey).not.toBe(second?.storedKey);
    expect((await collect((await h.store.get(first?.storedKey ?? "")).body)).toString()).toBe("first");
  });

  test("is refused above the cap, announced or not, and leaves nothing behind", async () => {
    await using h = await startFileServer(protocol);
    const { url } = await h.store.signPut("up", { ...HOUR, maxBytes: 1_000 });
    const [announced] = await put(protocol, url, Buffer.alloc(1_001));
    const [streamed, told] = await put(protocol, url, Buffer.alloc(500_000), {}, false);
    expect([announced, streamed]).toEqual([413, 413]);
    expect(told).toMatchObject({ reason: "OBJECT_TOO_LARGE" });
    expect([h.files(), h.uploads]).toEqual([[], []]);
    expect((await put(protocol, url, Buffer.alloc(1_000)))[0]).toBe(201);
  });

  test("is refused with an altered cap or key, or too late", async () => {
    await using h = await startFileServer(protocol);
    const { url } = await h.store.signPut("up", { ...HOUR, maxBytes: 10 });
    const body = Buffer.from("x");
    expect((await put(protocol, url.replace("max_bytes=10", "max_bytes=99"), body))[0]).toBe(403);
    expect((await put(protocol, url.replace("/up", "/down"), body))[0]).toBe(403);
    h.clock.ms += 3_600_000;
    expect((await put(protocol, url, body))[0]).toBe(403);
    expect(h.files()).toEqual([]);
  });

  test("that breaks off in the middle leaves no object", async () => {
    await using h = await startFileServer(protocol);
    const { url } = await h.store.signPut("up", { ...HOUR, maxBytes: 10_000_000 });
    await breakOff(protocol, url, () => vi.waitFor(() => expect(h.files()).toHaveLength(1)));
    await vi.waitFor(async () => expect((await h.settled()).length).toBe(1));
    expect([h.files(), h.uploads]).toEqual([[], []]);
  });

  test("fails when the upload cannot be reported", async () => {
    await using h = await startFileServer(protocol);
    h.hook.fail = true;
    const { url } = await h.store.signPut("up", { ...HOUR, maxBytes: 10 });
    const [status, told] = await put(protocol, url, Buffer.from("x"));
    expect([status, JSON.stringify(told)]).toEqual([500, expect.not.stringContaining("database")]);
    expect(h.errors).toEqual([{ error: "the database said no" }]);
  });
});

test("a client that asks before it sends is told to go on only when its link is good", async () => {
  await using h = await startFileServer();
  const { url } = await h.store.signPut("up", { ...HOUR, maxBytes: 10 });
  const ask = (target: string) =>
    `PUT ${target.slice(h.origin.length)} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n`;
  expect(await raw(h.port, ask(url.replace("/up", "/down")))).toMatch(/^HTTP\/1.1 403 /);
  const answer = await raw(h.port, ask(url), { after: "100 Continue", send: "abc" });
  expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 201 Created/);
});

test("the server's memory stays flat while 200 MB go up and come down, also to a client that reads slowly", async () => {
  const program = fileURLToPath(new URL("./storage-program.ts", import.meta.url));
  const root = mkdtempSync(join(tmpdir(), "sluice files "));
  const size = 200 * 1024 * 1024;
  const server = spawn(process.execPath, [program, root, String(size)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => {
    server.kill("SIGKILL");
    rmSync(root, { recursive: true, force: true });
  });
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const { putUrl, linkUrl, rssUrl } = JSON.parse((await lines.next()).value ?? "") as Record<string, string>;
  const peak = async () => Number(await (await fetch(rssUrl ?? "")).text());
  const before = await peak();
  const init = { method: "PUT", body: webStream(bytes(size)), duplex: "half" } as RequestInit;
  expect(await (await fetch(putUrl ?? "", init)).json()).toMatchObject({ size });
  const getUrl = await (await fetch(linkUrl ?? "")).text();
  // This one reads a first piece and no more: the rest has to wait in the file, not in memory.
  const slow = new AbortController();
  const waiting = await fetch(getUrl, { signal: slow.signal });
  await waiting.body?.getReader().read();
  let read = 0;
  for await (const chunk of (await fetch(getUrl)).body ?? []) read += chunk.byteLength;
  expect(read).toBe(size);
  const grown = (await peak()) - before;
  slow.abort();
  expect(grown).toBeLessThan(100 * 1024 * 1024);
}, 60_000);

function webStream(source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): ReadableStream {
  return Readable.toWeb(Readable.from(source, { objectMode: false })) as ReadableStream;
}

async function put(
  protocol: "http1" | "http2",
  url: string,
  body: Buffer,
  headers: Record<string, string> = {},
  announced = true,
): Promise<[number, unknown]> {
  if (protocol === "http1") {
    const sent = announced ? new Uint8Array(body) : webStream([body]);
    const answer = await fetch(url, { method: "PUT", body: sent, headers, duplex: "half" } as RequestInit);
    return [answer.status, await answer.json()];
  }
  const { origin, pathname, search } = new URL(url);
  const session = connectHttp2(origin);
  try {
    const length = announced ? { "content-length": String(body.byteLength) } : {};
    const stream = session.request({ ":method": "PUT", ":path": pathname + search, ...headers, ...length });
    stream.on("error", () => {});
    const status = new Promise<number>((resolve) =>
      stream.once("response", (got) => resolve(Number(got[":status"]))),
    );
    stream.end(body);
    const text = await collect(stream);
    return [await status, JSON.parse(text.toString())];
  } finally {
    session.destroy();
  }
}

/** Sends a part of an upload, and goes away when `meanwhile` is done. */
async function breakOff(
  protocol: "http1" | "http2",
  url: string,
  meanwhile: () => Promise<void>,
): Promise<void> {
  const { origin, pathname, search, port } = new URL(url);
  if (protocol === "http2") {
    const session = connectHttp2(origin);
    const stream = session.request({ ":method": "PUT", ":path": pathname + search });
    stream.on("error", () => {});
    stream.write(Buffer.alloc(100_000));
    await meanwhile();
    stream.destroy(new Error("gone"));
    session.close();
    return;
  }
  const socket = connect(Number(port), "127.0.0.1");
  socket.on("error", () => {});
  socket.write(
    `PUT ${pathname}${search} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n${"x".repeat(100_000)}`,
  );
  await meanwhile();
  socket.destroy();
}

function raw(port: number, text: string, then?: { after: string; send: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.on("data", (chunk) => {
      got += chunk.toString();
      if (then && got.includes(then.after) && !got.includes("HTTP/1.1 2")) socket.write(then.send);
    });
    socket.once("error", reject);
    socket.once("close", () => resolve(got));
  });
}
