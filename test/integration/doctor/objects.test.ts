import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { newId } from "../../../src/lib/ids.ts";
import { createObjectStore } from "../../../src/storage/create-store.ts";
import { textRequest } from "../../support/harness.ts";
import { startTestRedis } from "../../support/redis.ts";
import { claimOne, createJob, failureOf, resultOf } from "../jobs/steps.ts";
import { auditOfDoctor, createHarness, type Harness, visit } from "./doctor-harness.ts";

const DAY_MS = 24 * 3_600_000;
const later = () => Date.now() + DAY_MS + 60_000;

/** A completed job whose result lies in the object store. */
async function storedResult(h: Harness): Promise<{ id: string; key: string }> {
  const id = await createJob(h);
  const claimed = await claimOne(h);
  const key = `results/${id}/${claimed.lease.token}/document.md`;
  await h.store.put(key, Buffer.from("# large"));
  const { contents, ...rest } = resultOf("small");
  const markdown = { format: "MARKDOWN" as const, content: null, objectKey: key, sizeBytes: 7, sha256: "x" };
  await h.leases.complete(claimed, { ...rest, contents: [...contents, markdown] });
  return { id, key };
}

/** A job that waits again, with a checkpoint in the object store. */
async function storedCheckpoint(h: Harness): Promise<{ id: string; key: string }> {
  const id = await createJob(h);
  const claimed = await claimOne(h);
  const key = `checkpoints/${id}/${claimed.lease.token}/0.json`;
  await h.store.put(key, Buffer.from("{}"));
  const stage = { position: 0, name: "fetch", type: "fetch" };
  const common = { stagesDone: 0, stagesTotal: 7, restored: 0, events: [] };
  await h.leases.step(claimed.lease, { ...common, ended: null, started: stage });
  const ended = {
    position: 0,
    status: "SUCCEEDED" as const,
    error: null,
    fromCheckpoint: false,
    checkpointKey: "k",
    checkpoint: null,
    checkpointObject: key,
  };
  await h.leases.step(claimed.lease, { ...common, ended, started: null });
  await h.leases.fail(claimed, { error: failureOf(true), retryInMs: 0 });
  return { id, key };
}

test("objects that rows name are looked for: one that is missing or cut is a fault that names the job", async () => {
  await using h = await createHarness();
  const large = await h.jobs.create(h.admin, textRequest("x".repeat(100_000)));
  const documentKey = `documents/${large.job.documentId}`;
  await h.jobs.cancel(h.admin, large.job.id, "");
  const result = await storedResult(h);
  const checkpoint = await storedCheckpoint(h);
  expect((await visit(h)).of("objects")).toMatchObject([
    { level: "ok", message: "3 objects, all there, of every job (3)" },
  ]);

  await h.store.put(result.key, Buffer.from("cut"));
  await h.store.delete(documentKey);
  await h.store.delete(checkpoint.key);
  const { of } = await visit(h, { repair: true });
  expect(of("objects").map(({ level, code, ids }) => ({ level, code, ids }))).toEqual(
    expect.arrayContaining([
      { level: "fault", code: "DOCUMENT_OBJECT_MISSING", ids: [large.job.id] },
      { level: "fault", code: "RESULT_OBJECT_MISSING", ids: [result.id] },
      { level: "fault", code: "CHECKPOINT_OBJECT_MISSING", ids: [checkpoint.id] },
    ]),
  );
  expect(of("objects")).toHaveLength(3);
});

test("a job that is deleted while its objects are looked for is no fault", async () => {
  await using h = await createHarness();
  const { id, key } = await storedResult(h);
  const store = {
    ...h.store,
    // As it is for one that reads the row just before the delete, and the object just after.
    async head(asked: string) {
      if (asked === key) await h.jobs.delete(h.admin, id).catch(() => {});
      return await h.store.head(asked);
    },
  };
  expect((await visit(h, { store: () => store })).of("objects")).toMatchObject([{ level: "ok" }]);
});

test("objects of attempts and documents that nothing names are removed a day later, with an audit row each, and no others", async () => {
  await using h = await createHarness();
  const large = await h.documents.upload(
    h.admin,
    { filename: "", mediaType: "", sizeBytes: 0, sha256: "" },
    (async function* () {
      yield Buffer.from("named by its row");
    })(),
  );
  const kept = [(await storedResult(h)).key, (await storedCheckpoint(h)).key, `documents/${large.id}`];
  const orphanOf = (folder: string, job = newId()) => `${folder}/${job}/${newId()}/a.json`;
  const orphans = [
    orphanOf("results"),
    orphanOf("checkpoints"),
    // Of an attempt that lost its lease, beside the result of the one that completed.
    orphanOf("results", kept[0]?.split("/")[1]),
    // Of uploads and fetches whose rows were never written.
    `documents/${newId()}`,
    orphanOf("documents"),
    orphanOf("sources"),
  ];
  const foreign = ["results/readme.txt", "documents/abc", "checkpoints/not-a-job/x"];
  for (const key of [...orphans, ...foreign]) await h.store.put(key, Buffer.from("left"));

  expect((await visit(h, { repair: true })).of("leftovers")).toMatchObject([
    { level: "ok", message: "none among the 12 objects of attempts and documents" },
  ]);
  const found = await visit(h, { now: later });
  expect(found.of("leftovers")).toMatchObject([{ level: "warn", code: "OBJECTS_LEFT", count: 6 }]);
  expect(found.of("leftovers")[0]?.ids?.toSorted()).toEqual(orphans.toSorted());

  const { mends, of } = await visit(h, { now: later, repair: true });
  expect(mends("leftovers")).toMatchObject([{ count: 6, message: "6 objects removed that nothing named" }]);
  expect(of("leftovers")).toMatchObject([{ level: "ok" }]);
  for (const key of orphans) expect([key, await h.store.head(key)]).toEqual([key, null]);
  for (const key of [...kept, ...foreign]) expect(await h.store.head(key), key).not.toBeNull();
  expect(await auditOfDoctor(h)).toEqual(
    orphans.toSorted().map((resourceId) => ({ action: "storage.remove_leftover", resourceId })),
  );
});

test("more leftovers than one transaction takes are all removed", async () => {
  await using h = await createHarness();
  const job = newId();
  await Promise.all(
    Array.from({ length: 120 }, (_, i) => h.store.put(`results/${job}/${newId()}/${i}`, Buffer.from("x"))),
  );
  const { mends, of } = await visit(h, { now: later, repair: true });
  expect(mends("leftovers")).toMatchObject([{ count: 120 }]);
  expect(of("leftovers")).toMatchObject([
    { level: "ok", message: "none among the 0 objects of attempts and documents" },
  ]);
});

test("a store that cannot be written is a fault, and its objects are not looked for", async () => {
  await using h = await createHarness();
  const folder = await mkdtemp(join(tmpdir(), "sluice-doctor-"));
  try {
    const file = join(folder, "no-folder");
    await writeFile(file, "");
    const deps = {
      publicUrl: () => "",
      signingSecret: Buffer.alloc(32),
      clock: { now: Date.now },
      s3Credentials: null,
    };
    const broken = await visit(h, { store: () => createObjectStore(file, deps).store });
    expect(broken.of("storage")).toMatchObject([{ level: "fault", code: "STORAGE_BROKEN" }]);
    expect(broken.skipped).toEqual(["objects", "leftovers"]);
    const unknown = await visit(h, { store: () => createObjectStore("ftp://host/x", deps).store });
    expect(unknown.of("storage")).toMatchObject([
      { level: "fault", message: expect.stringMatching(/ftp:\/\/ is not known/) },
    ]);
    const missing = join(folder, "not", "there");
    const fresh = await visit(h, {
      store: () => createObjectStore(missing, deps).store,
      storeFolder: missing,
    });
    expect(fresh.of("storage")).toMatchObject([
      { level: "ok", message: `nothing is stored yet; the folder ${missing} can be made` },
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("the space of folders is told where they are, and a folder that is not there is no fault", async () => {
  await using h = await createHarness();
  const places = [
    { name: "the data folder", path: tmpdir() },
    { name: "documents", path: "/nowhere/at/all" },
  ];
  const { of } = await visit(h, { places });
  expect(of("disk space")[0]?.message).toMatch(/\d GiB|\d MiB/);
  expect(of("disk space")[0]?.message).not.toContain("documents");
});

test("a Redis that keeps what it is given is ok, one that evicts a warning, one that is away a fault", async () => {
  await using h = await createHarness();
  await using redis = await startTestRedis({ args: ["--maxmemory-policy", "allkeys-lru"] });
  const redisUrls = [redis.url];
  const { of, outcome } = await visit(h, { redisUrls });
  expect(of("redis")).toMatchObject([
    {
      level: "warn",
      code: "REDIS_EVICTS",
      message: expect.stringMatching(
        /^(Redis|Valkey) \d+\.\d+\S* answers, but its maxmemory-policy is allkeys-lru/,
      ),
      advice: expect.stringContaining("maxmemory-policy noeviction"),
    },
  ]);
  expect(outcome.faults).toBe(0);
  await using sound = await startTestRedis();
  expect((await visit(h, { redisUrls: [sound.url] })).of("redis")).toMatchObject([
    { level: "ok", message: expect.stringMatching(/answers, maxmemory-policy is noeviction$/) },
  ]);
  await sound.stop();
  expect((await visit(h, { redisUrls: [sound.url] })).of("redis")).toMatchObject([
    { level: "fault", code: "REDIS_AWAY", message: expect.stringContaining(`127.0.0.1:${sound.port}`) },
  ]);
  expect((await visit(h)).of("redis")).toEqual([]);
});
