import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fetchStage, receiveSource } from "../../../src/stages/fetch.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-fetch-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function* pieces(count: number, size: number, onEnd = () => {}): AsyncGenerator<Uint8Array> {
  try {
    for (let i = 0; i < count; i++) yield new Uint8Array(size).fill(i);
  } finally {
    onEnd();
  }
}

test("a source is written piece by piece, with size and hash of what came", async () => {
  const path = join(folder, "source");
  const received = await receiveSource(pieces(3, 1_000), path, { maxBytes: 3_000 });
  const bytes = await readFile(path);
  expect(received).toEqual({ sizeBytes: 3_000, sha256: createHash("sha256").update(bytes).digest("hex") });
  expect(bytes[2_999]).toBe(2);
});

test("a source over the limit is refused at the first byte too many, and told to stop", async () => {
  let stopped = false;
  const endless = pieces(Number.POSITIVE_INFINITY, 1_000, () => {
    stopped = true;
  });
  const receiving = receiveSource(endless, join(folder, "source"), { maxBytes: 2_500 });
  await expect(receiving).rejects.toMatchObject({ name: "DocumentFault", reason: "DOCUMENT_TOO_LARGE" });
  expect(stopped).toBe(true);
});

test("a source over what the worker allows says which limit that is, one over the pipeline's own does not", async () => {
  const large = (name: string, bySetting: boolean) =>
    receiveSource(pieces(3, 1_000), join(folder, name), { maxBytes: 2_500, bySetting }).catch(
      (error) => error,
    );
  expect(await large("a", true)).toMatchObject({ reason: "DOCUMENT_TOO_LARGE", limit: "maxInputBytes" });
  expect(await large("b", false)).not.toHaveProperty("limit");
});

test("a source without bytes is DOCUMENT_EMPTY, and a file that exists is not overwritten", async () => {
  const path = join(folder, "source");
  await expect(receiveSource(pieces(0, 1), path, { maxBytes: 1 })).rejects.toMatchObject({
    reason: "DOCUMENT_EMPTY",
  });
  await expect(receiveSource(pieces(1, 1), path, { maxBytes: 1 })).rejects.toMatchObject({ code: "EEXIST" });
});

test("a source that gives nothing is left as soon as the signal fires, and hears of it when it wakes", async () => {
  const stop = new AbortController();
  const woken = Promise.withResolvers<void>();
  let stopped = false;
  async function* silence(): AsyncGenerator<Uint8Array> {
    try {
      yield new Uint8Array(10);
      await woken.promise;
      yield new Uint8Array(10);
    } finally {
      stopped = true;
    }
  }
  const receiving = receiveSource(silence(), join(folder, "source"), { maxBytes: 100, signal: stop.signal });
  stop.abort(new Error("too late"));
  await expect(receiving).rejects.toThrow("too late");
  woken.resolve();
  await vi.waitFor(() => expect(stopped).toBe(true));
});

test("a large source is never in memory as a whole, also while a signal is listened to", async () => {
  const MIB = 1024 * 1024;
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  async function* large(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 400; i++) {
      yield new Uint8Array(MIB);
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
  }
  const { signal } = new AbortController();
  await receiveSource(large(), join(folder, "source"), { maxBytes: 400 * MIB, signal });
  expect(most).toBeLessThan(200 * MIB);
});

test("options have defaults, and all faults are named at once", () => {
  expect(fetchStage.parseOptions(undefined)).toEqual({ max_bytes: 0, timeout: 60_000 });
  expect(fetchStage.parseOptions({ max_bytes: "5", timeout: "1.5s" })).toEqual({
    max_bytes: 5,
    timeout: 1_500,
  });
  expect(() => fetchStage.parseOptions({ max_bytes: -1, timeout: "0s", url: "x" })).toThrow(
    /max_bytes.*timeout.*url/,
  );
});
