import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { startS3 } from "../../support/s3.ts";
import { until } from "../../support/until.ts";
import { bytes, collect } from "./storage-harness.ts";
import { storeAt } from "./stores.ts";

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

test("a bucket that cannot be used is told in sentences that say what to do", async () => {
  await using s3 = await startS3();
  const sentence = async (url: string, accessKeyId?: string): Promise<string> => {
    const check = storeAt(url, accessKeyId ? { accessKeyId } : {}).check();
    const error = await check.then(
      () => new Error("it works"),
      (reason: Error) => reason,
    );
    expect(error).toMatchObject({ reason: "STORAGE_UNAVAILABLE" });
    return error.message;
  };
  expect(await sentence(`s3://no-bucket?endpoint=${s3.endpoint}`)).toBe(
    "The object store at s3://no-bucket does not work: there is no bucket no-bucket. Make it, or correct SLUICE_STORAGE_URL.",
  );
  expect(await sentence(s3.url, "UNKNOWN")).toMatch(
    /it does not know the access key\. Correct SLUICE_S3_ACCESS_KEY_ID and SLUICE_S3_SECRET_ACCESS_KEY\.$/,
  );
  await using gone = await startS3();
  await gone[Symbol.asyncDispose]();
  expect(await sentence(gone.url)).toMatch(
    /http:\/\/127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)\. Start it, or correct the endpoint/,
  );
});

test("a link to read serves ranges under the name and type that it was made for, until it expires", async () => {
  await using s3 = await startS3();
  const store = storeAt(s3.url);
  await store.put("r/one", Buffer.from("0123456789"));
  const terms = { expiresInSeconds: 60, filename: 'a "ü".txt', mediaType: "text/plain; charset=utf-8" };
  const { url, expireTime } = await store.signGet("r/one", terms);
  expect(Math.abs(expireTime.getTime() - Date.now() - 60_000)).toBeLessThan(10_000);
  const part = await fetch(url, { headers: { range: "bytes=2-4" } });
  expect([part.status, await part.text(), part.headers.get("content-range")]).toEqual([
    206,
    "234",
    "bytes 2-4/10",
  ]);
  expect(part.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(part.headers.get("content-disposition")).toBe(
    `attachment; filename="a ____.txt"; filename*=UTF-8''a%20%22%C3%BC%22.txt`.replace("____", "___"),
  );
  const statusOf = async (link: string) => {
    const answer = await fetch(link);
    await answer.body?.cancel();
    return answer.status;
  };
  await store.put("r/two", Buffer.from("another"));
  for (const changed of [
    url.replace("r/one", "r/two"),
    url.replace("Expires=60", "Expires=6000"),
    url.replace("text%2Fplain", "text%2Fhtml"),
    url.slice(0, url.indexOf("?")).concat("?X-Amz-Signature=0"),
  ])
    expect(await statusOf(changed), changed).toBe(403);
  const old = await storeAt(s3.url, { now: () => Date.now() - HOUR_MS }).signGet("r/one", terms);
  expect(await statusOf(old.url)).toBe(403);
});

test("a link to write takes the length that was announced and no other, and only until it expires", async () => {
  await using s3 = await startS3();
  const store = storeAt(s3.url);
  const put = async (url: string, body: string) => {
    const answer = await fetch(url, { method: "PUT", body });
    await answer.text();
    return answer.status;
  };
  const terms = { expiresInSeconds: 60, maxBytes: 100, mediaType: "application/pdf" };
  const { url, headers } = await store.signPut("up", { ...terms, sizeBytes: 5 });
  expect(headers).toEqual({ "content-type": "application/pdf" });
  expect(await put(url, "123456")).toBe(403);
  expect(await put(url, "1234")).toBe(403);
  expect(await store.head("up")).toBeNull();
  expect(await put(url, "12345")).toBe(200);
  expect((await collect((await store.get("up")).body)).toString()).toBe("12345");
  expect(await put(url.replace("/up?", "/other?"), "12345")).toBe(403);
  const old = await storeAt(s3.url, { now: () => Date.now() - HOUR_MS }).signPut("up", terms);
  expect(await put(old.url, "12345")).toBe(403);
});

test("links lead to the public endpoint when there is one", async () => {
  const store = storeAt("s3://bucket?endpoint=http://minio:9000&public_endpoint=https://files.example.org");
  const { url } = await store.signGet("k", { expiresInSeconds: 60 });
  expect(url).toMatch(/^https:\/\/files\.example\.org\/bucket\/k\?/);
  const amazon = await storeAt("s3://bucket/p?region=eu-west-1").signGet("k", { expiresInSeconds: 60 });
  expect(amazon.url).toMatch(/^https:\/\/bucket\.s3\.eu-west-1\.amazonaws\.com\/p\/k\?/);
});

test("a read whose connection breaks off goes on where it was", async () => {
  await using s3 = await startS3();
  const store = storeAt(s3.url);
  const size = 24 * MIB + 5;
  await store.put("long", bytes(size));
  const { body } = await store.get("long", { offset: 3 });
  const read: Uint8Array[] = [];
  let cuts = 0;
  for await (const chunk of body) {
    read.push(chunk);
    if (cuts < 3 && read.reduce((sum, { length }) => sum + length, 0) > cuts * 6 * MIB) {
      cuts++;
      s3.cut();
    }
  }
  expect(cuts).toBe(3);
  expect(s3.asked.filter((asked) => asked.startsWith("GET")).length).toBeGreaterThan(2);
  expect(Buffer.concat(read).equals((await collect(bytes(size))).subarray(3))).toBe(true);
});

test("bodies that are aborted, left or never read hold no connection", async () => {
  await using s3 = await startS3();
  const store = storeAt(s3.url);
  await store.put("long", bytes(16 * MIB));
  const abort = new AbortController();
  const begun = Array.from({ length: 5 }, async () => {
    const { body } = await store.get("long", {}, abort.signal);
    const reader = body[Symbol.asyncIterator]();
    await reader.next();
    return reader;
  });
  const [left, ...aborted] = await Promise.all(begun);
  await left?.return?.();
  abort.abort(new Error("enough"));
  for (const reader of aborted) {
    const rest = (async () => {
      while (!(await reader.next()).done);
    })();
    await expect(rest).rejects.toThrow("enough");
  }
  // More than there are connections; none of them is read.
  for (let i = 0; i < 260; i++) await store.get("long");
  await store.check();
  await until(async () => s3.answering() === 0, "no connection is held");
});

test("parts of an upload whose process died show nowhere, and go a day later", async () => {
  await using s3 = await startS3();
  const stop = Promise.withResolvers<never>();
  const standing = async function* (): AsyncGenerator<Uint8Array> {
    yield* bytes(9 * MIB);
    await stop.promise;
  };
  const dead = storeAt(s3.url).put("half", standing());
  await until(async () => s3.uploads().length === 1, "the upload has begun");
  const after = (ms: number) => storeAt(s3.url, { now: () => Date.now() + ms });
  await after(23 * HOUR_MS).put("other", Buffer.from("x"));
  expect(s3.uploads()).toHaveLength(1);
  await after(25 * HOUR_MS).put("other", Buffer.from("x"));
  expect(s3.uploads()).toEqual([]);
  expect(await after(0).head("half")).toBeNull();
  stop.reject(new Error("at last"));
  await expect(dead).rejects.toThrow("at last");
});

test("memory stays flat while 128 MiB go into a bucket and come out", async () => {
  const program = fileURLToPath(new URL("../../support/s3-program.ts", import.meta.url));
  const server = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    const [line] = (await once(server.stdout, "data")) as [Buffer];
    const store = storeAt(line.toString().trim());
    let peak = 0;
    const watched = async function* (body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of body) {
        peak = Math.max(peak, process.memoryUsage().rss);
        yield chunk;
      }
    };
    const there = async (size: number): Promise<number> => {
      expect((await store.put("large", watched(bytes(size)))).size).toBe(size);
      let read = 0;
      for await (const chunk of watched((await store.get("large")).body)) read += chunk.byteLength;
      return read;
    };
    // The buffers of one upload, and what the client loads when it is first used, come and stay.
    await there(32 * MIB);
    const before = peak;
    expect(await there(128 * MIB)).toBe(128 * MIB);
    expect(peak - before).toBeLessThan(64 * MIB);
  } finally {
    server.stdin.end();
    await once(server, "exit");
  }
}, 120_000);
