import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import {
  ObjectKeyError,
  ObjectNotFoundError,
  ObjectRangeError,
  ObjectTooLargeError,
} from "../../../src/storage/errors.ts";
import { createFileStore } from "../../../src/storage/file-store.ts";
import { bytes, collect, startFileServer } from "./storage-harness.ts";

const text = async (body: AsyncIterable<Uint8Array>) => (await collect(body)).toString();

test("what was put comes back, whole or in part, with its size and hash", async () => {
  await using h = await startFileServer();
  const content = await collect(bytes(700_001));
  const stored = await h.store.put("documents/ab/one", bytes(700_001));
  expect(stored).toEqual({ size: 700_001, sha256: createHash("sha256").update(content).digest("hex") });
  expect((await collect((await h.store.get("documents/ab/one")).body)).equals(content)).toBe(true);
  const part = await h.store.get("documents/ab/one", { offset: 262_140, length: 9 });
  expect(part.size).toBe(700_001);
  expect((await collect(part.body)).equals(content.subarray(262_140, 262_149))).toBe(true);
  const end = await h.store.get("documents/ab/one", { offset: 700_000, length: 50 });
  expect((await collect(end.body)).byteLength).toBe(1);
  expect(await text((await h.store.get("documents/ab/one", { offset: 700_001 })).body)).toBe("");
  await expect(h.store.get("documents/ab/one", { offset: 700_002 })).rejects.toThrow(ObjectRangeError);
  expect(await h.store.head("documents/ab/one")).toEqual({ size: 700_001 });
  expect(h.store.uriOf("documents/ab/one")).toBe("sluice://objects/documents/ab/one");
});

test("an object is replaced as a whole, deleted twice without error, and leaves no empty folder", async () => {
  await using h = await startFileServer();
  await h.store.put("a/b/c", Buffer.from("old"));
  await h.store.put("a/b/c", Buffer.from("new"));
  await h.store.put("a", Buffer.from("beside"));
  expect(await text((await h.store.get("a/b/c")).body)).toBe("new");
  await h.store.delete("a/b/c");
  await h.store.delete("a/b/c");
  expect(await h.store.head("a/b/c")).toBeNull();
  await expect(h.store.get("a/b/c")).rejects.toThrow(ObjectNotFoundError);
  expect(readdirSync(join(h.root, "objects"))).toEqual(["a"]);
});

test("a list names every object below a folder with size and time, and goes on while objects come and go", async () => {
  await using h = await startFileServer();
  const listed = async (folder: string) => {
    const found: { key: string; size: number }[] = [];
    for await (const { key, size, modified } of h.store.list(folder)) {
      expect(Date.now() - modified.getTime()).toBeLessThan(60_000);
      found.push({ key, size });
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  };
  expect(await listed("results")).toEqual([]);
  for (const key of ["results/a/one", "results/a/two", "results/b", "other/c", "results2/d"]) {
    await h.store.put(key, Buffer.from(key));
  }
  expect(await listed("results")).toEqual(
    ["results/a/one", "results/a/two", "results/b"].map((key) => ({ key, size: key.length })),
  );
  expect(await listed("results/a")).toHaveLength(2);
  // Names that no store takes are passed over.
  writeFileSync(join(h.root, "objects/results+/.hidden"), "");
  expect(await listed("results")).toHaveLength(3);
  // A folder goes with its last object, also while it is read.
  for (let i = 0; i < 100; i++) await h.store.put(`results/many/${i}/x`, Buffer.from("x"));
  let seen = 0;
  for await (const { key } of h.store.list("results")) {
    await h.store.delete(key);
    seen++;
  }
  expect(seen).toBe(103);
  expect(await listed("results")).toEqual([]);
});

test("puts and deletes in one folder at the same moment do not break each other", async () => {
  await using h = await startFileServer();
  const rounds = Array.from({ length: 60 }, (_, i) => i);
  await Promise.all(
    rounds.map(async (i) => {
      await h.store.put(`shared/deep/${i}`, Buffer.from(String(i)));
      if (i % 3 > 0) await h.store.delete(`shared/deep/${i}`);
    }),
  );
  expect(h.files().sort()).toEqual(
    rounds
      .filter((i) => i % 3 === 0)
      .map(String)
      .sort(),
  );
});

test("a put that is too large, fails or has a bad key stores nothing and leaves nothing behind", async () => {
  await using h = await startFileServer();
  await h.store.put("kept", Buffer.from("kept"));
  let pulled = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes(100 * 65_536)) {
      pulled++;
      yield chunk;
    }
  }
  await expect(h.store.put("kept", counted(), { maxBytes: 100_000 })).rejects.toThrow(ObjectTooLargeError);
  expect(pulled).toBe(2);
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("half");
    throw new Error("the source broke");
  }
  await expect(h.store.put("kept", failing())).rejects.toThrow("the source broke");
  await expect(h.store.put("../kept", Buffer.from("x"))).rejects.toThrow(ObjectKeyError);
  await expect(h.store.get("../objects/kept")).rejects.toThrow(ObjectKeyError);
  expect(await text((await h.store.get("kept")).body)).toBe("kept");
  expect(h.files()).toEqual(["kept"]);
});

test("a process that is killed in the middle of a put leaves no object, and its draft goes after a day", async () => {
  await using h = await startFileServer();
  const source = `import { createFileStore } from ${JSON.stringify(new URL("../../../src/storage/file-store.ts", import.meta.url).href)};
    const store = createFileStore({ root: ${JSON.stringify(h.root)}, publicUrl: "http://x", signingSecret: "0123456789abcdef", clock: Date });
    async function* endless() { for (;;) { yield Buffer.alloc(65536); await new Promise((r) => setImmediate(r)); } }
    await store.put("half", endless());`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const drafts = join(h.root, "tmp");
  await vi.waitFor(() => expect(readdirSync(drafts)).toHaveLength(1), { timeout: 10_000 });
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("exit", resolve));
  expect(await h.store.head("half")).toBeNull();
  expect(existsSync(join(h.root, "objects/half"))).toBe(false);

  const [draft = ""] = readdirSync(drafts);
  const made = Math.floor(h.clock.ms / 1_000);
  utimesSync(join(drafts, draft), made, made);
  writeFileSync(join(drafts, "young"), "");
  utimesSync(join(drafts, "young"), made + 3_600, made + 3_600);
  h.clock.ms += 24 * 3_600_000 + 1;
  await h.store.put("other", Buffer.from("x"));
  expect(readdirSync(drafts)).toEqual(["young"]);
});

test("reading stops at once when the caller aborts", async () => {
  await using h = await startFileServer();
  await h.store.put("long", bytes(4 * 1024 * 1024));
  const abort = new AbortController();
  const { body } = await h.store.get("long", {}, abort.signal);
  const reading = (async () => {
    for await (const _ of body) abort.abort(new Error("enough"));
  })();
  await expect(reading).rejects.toThrow("enough");
});

test("a check proves that the store works, and says so in a sentence when it does not", async () => {
  await using h = await startFileServer();
  await h.store.check();
  expect(h.files()).toEqual([]);
  const file = join(h.root, "file");
  writeFileSync(file, "");
  const broken = createFileStore({
    root: file,
    publicUrl: "http://x",
    signingSecret: "0123456789abcdef",
    clock: h.clock,
  });
  await expect(broken.check()).rejects.toThrow(
    /object store at .* does not work: .* is writable and has space/,
  );
  rmSync(file);
  mkdirSync(file);
  await broken.check();
  chmodSync(file, 0o700);
});

test("memory stays flat while 200 MB go in and come out", async () => {
  await using h = await startFileServer();
  const size = 200 * 1024 * 1024;
  const before = process.memoryUsage().rss;
  let peak = before;
  const watch = (): void => {
    peak = Math.max(peak, process.memoryUsage().rss);
  };
  async function* watched(): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes(size)) {
      watch();
      yield chunk;
    }
  }
  expect((await h.store.put("large", watched())).size).toBe(size);
  let read = 0;
  for await (const chunk of (await h.store.get("large")).body) {
    read += chunk.byteLength;
    watch();
  }
  expect(read).toBe(size);
  expect(peak - before).toBeLessThan(100 * 1024 * 1024);
}, 60_000);
