import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSluice, type DocumentInput } from "../../../sdk/src/node.ts";
import { createSluice as createWebSluice } from "../../../sdk/src/web.ts";
import { failure, startServer } from "./server.ts";

const large = randomBytes(3 * 1024 * 1024);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-sdk-"));
  await writeFile(join(folder, "small.txt"), "from a path");
  await writeFile(join(folder, "large.bin"), large);
});
afterAll(() => rm(folder, { recursive: true }));

async function* pieces() {
  for (let at = 0; at < large.length; at += 100_000) yield large.subarray(at, at + 100_000);
}

test.each<[string, () => DocumentInput, string, string]>([
  ["a small path", () => ({ path: join(folder, "small.txt") }), "small.txt", "createJob"],
  ["a large path", () => ({ path: join(folder, "large.bin") }), "large.bin", "uploadDocument"],
  ["a small File", () => new File(["hello"], "a.txt"), "a.txt", "createJob"],
  ["a large File", () => new File([large], "b.bin"), "b.bin", "uploadDocument"],
  ["bytes", () => ({ data: Buffer.from("hello"), filename: "c.txt" }), "c.txt", "createJob"],
  ["an async iterable", () => ({ data: pieces(), filename: "d.bin" }), "d.bin", "uploadDocument"],
  [
    "a web stream",
    () => ({ data: new Blob([large]).stream(), filename: "e.bin" }),
    "e.bin",
    "uploadDocument",
  ],
  ["a large text", () => ({ text: "é".repeat(700_000), filename: "f.txt" }), "f.txt", "uploadDocument"],
])("%s becomes a job with its name and all of its bytes", async (_, input, filename, firstCall) => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url });
  const job = await sluice.jobs.submit(input());
  expect(job.document?.filename).toBe(filename);
  expect(server.calls[0]).toBe(firstCall);
  const [stored] = server.jobs.values();
  if (filename.endsWith(".bin")) expect(stored!.bytes.equals(large)).toBe(true);
  if (filename === "f.txt") expect(stored!.bytes.length).toBe(1_400_000);
});

test("a browser uploads by PUT to the signed address, without its credential", async () => {
  await using server = await startServer({ credential: "slk_1" });
  using sluice = createWebSluice({ url: server.url, apiKey: "slk_1" });
  const job = await sluice.jobs.submit(new File([large], "b.bin"));
  expect(server.calls).toEqual(["createUpload", "PUT", "getDocument", "createJob"]);
  expect([...server.jobs.values()][0]!.bytes.equals(large)).toBe(true);
  expect(job.document?.filename).toBe("b.bin");
  await expect(sluice.jobs.submit({ path: "/etc/hosts" })).rejects.toThrow(TypeError);
});

test("an upload of 200 MB goes through in constant memory and tells its progress", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url });
  const piece = randomBytes(1024 * 1024);
  let produced = 0;
  let furthest = 0;
  async function* source() {
    for (let i = 0; i < 200; i++) {
      produced += piece.length;
      furthest = Math.max(furthest, produced - server.seen.uploadedBytes);
      yield piece;
    }
  }
  const told: number[] = [];
  const document = await sluice.documents.upload(
    { data: source(), filename: "big.bin" },
    { onProgress: ({ sentBytes }) => told.push(sentBytes) },
  );
  expect(document.sizeBytes).toBe(200n * 1024n * 1024n);
  expect(told.at(-1)).toBe(200 * 1024 * 1024);
  // What is read from the source and has not arrived yet is all that memory holds.
  expect(furthest).toBeLessThan(16 * 1024 * 1024);
}, 60_000);

test.each(["2", "1.1"] as const)(
  "an upload that is refused half-way tells the reason, and later calls work: HTTP/%s",
  async (httpVersion) => {
    await using server = await startServer();
    using sluice = createSluice({ url: server.url, httpVersion });
    async function* flood() {
      for (let i = 0; i < 30; i++) yield large;
    }
    for (let round = 0; round < 3; round++) {
      server.knobs.failures = [failure(Code.InvalidArgument, "DOCUMENT_TOO_LARGE", "Too large.")];
      await expect(sluice.documents.upload(flood())).rejects.toMatchObject({ reason: "DOCUMENT_TOO_LARGE" });
      expect((await sluice.system.getServerInfo({}, { timeoutMs: 5_000 })).info?.version).toBe("9.9.9");
    }
  },
);

test("a source that breaks gives its own error, and an aborted upload ends as CANCELLED", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url });
  async function* broken() {
    yield large;
    throw new Error("the disk is gone");
  }
  await expect(sluice.documents.upload(broken())).rejects.toThrow("the disk is gone");
  const controller = new AbortController();
  async function* endless() {
    for (;;) {
      yield large;
      if (server.seen.uploadedBytes > 0) controller.abort();
    }
  }
  const upload = sluice.documents.upload(endless(), { signal: controller.signal });
  await expect(upload).rejects.toMatchObject({ reason: "CANCELLED" });
  expect((await sluice.system.getServerInfo({})).info?.version).toBe("9.9.9");
});

test("a download that is cut after every chunk goes on at the right byte", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url });
  const { job } = await sluice.jobs.run({ data: large });
  server.knobs.cutAfterEach = true;
  const hash = createHash("sha256");
  for await (const chunk of sluice.jobs.download(job.id)) hash.update(chunk);
  expect(hash.digest("hex")).toBe(createHash("sha256").update(large).digest("hex"));
  expect(server.calls.filter((call) => call.startsWith("downloadJobResult")).length).toBeGreaterThan(3);
});

test("text decodes characters that are cut between chunks, and keeps to its bound", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url });
  const text = "naïve €uro 🙂 ".repeat(50_000);
  const { job } = await sluice.jobs.run({ text });
  expect(await sluice.jobs.download(job.id).text()).toBe(text);
  await expect(sluice.jobs.download(job.id).text({ maxBytes: 1000 })).rejects.toThrow(RangeError);
});

test("list walks through all pages", async () => {
  await using server = await startServer();
  using sluice = createSluice({ url: server.url });
  const made: string[] = [];
  for (const text of ["a", "b", "c", "d", "e"]) made.push((await sluice.jobs.submit({ text })).id);
  const found: string[] = [];
  for await (const { id } of sluice.jobs.list()) found.push(id);
  expect(found).toEqual(made.reverse());
});
