import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { createFileStore } from "../../../src/storage/file-store.ts";
import { bytes, startFileServer } from "./storage-harness.ts";

test("no empty folder is left where the last object was deleted", async () => {
  await using h = await startFileServer();
  await h.store.put("a/b/c", Buffer.from("deep"));
  await h.store.put("a", Buffer.from("beside"));
  await h.store.delete("a/b/c");
  expect(readdirSync(join(h.root, "objects"))).toEqual(["a"]);
});

test("a list passes over names that no store takes, and goes on while folders go with their last objects", async () => {
  await using h = await startFileServer();
  for (let i = 0; i < 100; i++) await h.store.put(`results/many/${i}/x`, Buffer.from("x"));
  writeFileSync(join(h.root, "objects/results+/.hidden"), "");
  let seen = 0;
  for await (const { key } of h.store.list("results")) {
    await h.store.delete(key);
    seen++;
  }
  expect(seen).toBe(100);
});

test("a process that is killed in the middle of a put leaves no object, and its draft goes after a day", async () => {
  await using h = await startFileServer();
  const source = `import { createFileStore } from ${JSON.stringify(new URL("../../../src/storage/file-store.ts", import.meta.url).href)};
    const store = createFileStore({ root: ${JSON.stringify(h.root)}, publicUrl: () => "http://x", signingSecret: "0123456789abcdef", clock: Date });
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

test("a folder that cannot be written is told in a sentence", async () => {
  await using h = await startFileServer();
  const file = join(h.root, "file");
  writeFileSync(file, "");
  const broken = createFileStore({
    root: file,
    publicUrl: () => "http://x",
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
