import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { createExpiry } from "../../../src/jobs/expiry.ts";
import { type CrashPoint, createCrashPoints } from "../../support/crash-points.ts";
import { createHarness, type Harness, textRequest } from "../../support/harness.ts";
import { auditOf, completedJob, createJob, failedJob, resultOf } from "./steps.ts";

const DAY_MS = 86_400_000;

/** Everything whose time will come has it now. */
const letTimePass = async (h: Harness): Promise<void> => {
  await h.db.sql`update jobs set expires_at = expires_at - interval '10 years'`;
  await h.db.sql`update documents set expires_at = expires_at - interval '10 years'`;
  await h.db.sql`update doomed_objects set since = since - interval '10 years'`;
};

async function keysIn(h: Harness): Promise<string[]> {
  const keys: string[] = [];
  for (const folder of ["documents", "results", "checkpoints", "sources"])
    for await (const { key } of h.store.list(folder)) keys.push(key);
  return keys.sort();
}

/** A completed job with its document and one format of its result in the store. */
async function largeJob(h: Harness, n: number): Promise<string> {
  const key = `results/${h.admin.userId}/${n}/document.md`;
  await h.store.put(key, Buffer.from("# large"));
  const result = resultOf("done");
  const { job } = await h.jobs.create(h.admin, textRequest("x".repeat(100_000)));
  const [claimed] = await h.leases.claim("w", 1, Date.now);
  const markdown = { format: "MARKDOWN" as const, content: null, objectKey: key, sizeBytes: 7, sha256: "" };
  await h.leases.complete(claimed!, { ...result, contents: [...result.contents, markdown] });
  return job.id;
}

/** Objects that rows name, and those that will be removed. */
async function namedKeys(h: Harness): Promise<{ named: string[]; doomed: string[] }> {
  const named = await h.db.sql<{ key: string }[]>`
    select object_key as key from documents where object_key is not null
    union select object_key from job_result_contents where object_key is not null order by 1`;
  const doomed = await h.db.sql<{ key: string }[]>`select key from doomed_objects order by 1`;
  return { named: named.map(({ key }) => key), doomed: doomed.map(({ key }) => key) };
}

test("a job says when it will be deleted, and is gone after that with result, document and objects", async () => {
  await using h = await createHarness({ retentionMs: DAY_MS });
  const id = await largeJob(h, 1);
  const { job } = await h.jobs.get(h.admin, id);
  expect(job.expireTime!.getTime() - job.endTime!.getTime()).toBe(DAY_MS);
  expect((await h.jobs.result(h.admin, id)).result.expireTime).toEqual(job.expireTime);
  expect(await h.expiry.sweep()).toEqual({ jobs: 0, documents: 0, objects: 0 });
  expect(await keysIn(h)).toHaveLength(2);
  await letTimePass(h);
  expect(await h.expiry.sweep()).toEqual({ jobs: 1, documents: 0, objects: 0 });
  await expect(h.jobs.get(h.admin, id)).rejects.toMatchObject({ reason: "JOB_NOT_FOUND" });
  expect(await keysIn(h)).toEqual([]);
  expect(await namedKeys(h)).toEqual({ named: [], doomed: [] });
  expect(await auditOf(h, id)).toContain("jobs.expire");
});

test("every way to end sets the time, and a retry takes it back", async () => {
  await using h = await createHarness({ retentionMs: DAY_MS });
  const completed = await completedJob(h);
  const failed = await failedJob(h);
  const waiting = await createJob(h);
  await h.jobs.cancel(h.admin, waiting, "");
  const running = await createJob(h);
  const [claimed] = await h.leases.claim("w", 1, Date.now);
  await h.jobs.cancel(h.admin, running, "");
  await h.leases.cancelled(claimed!);
  const lost = await createJob(h);
  await h.db.sql`update jobs set lost_claims = 2 where id = ${lost}`;
  await h.leases.claim("w", 1, Date.now);
  await h.db.sql`update jobs set lease_until = now() - interval '1 second' where id = ${lost}`;
  await h.leases.sweep();
  for (const id of [completed, failed, waiting, running, lost]) {
    const { job } = await h.jobs.get(h.admin, id);
    expect(job.expireTime!.getTime() - job.endTime!.getTime(), job.status).toBe(DAY_MS);
  }
  await h.jobs.retry(h.admin, failed);
  expect((await h.jobs.get(h.admin, failed)).job.expireTime).toBeNull();
});

test("without a retention nothing expires", async () => {
  await using h = await createHarness();
  const id = await completedJob(h);
  expect((await h.jobs.get(h.admin, id)).job.expireTime).toBeNull();
  await letTimePass(h);
  expect(await h.expiry.sweep()).toEqual({ jobs: 0, documents: 0, objects: 0 });
});

test("an upload that no job uses expires, one that is used stays as long as its jobs, one that never came is forgotten", async () => {
  await using h = await createHarness({ retentionMs: DAY_MS });
  const header = { filename: "a.txt", mediaType: "", sizeBytes: 0, sha256: "" };
  const bytes = async function* (text: string) {
    yield Buffer.from(text);
  };
  const unused = await h.documents.upload(h.admin, header, bytes("of no use"));
  const used = await h.documents.upload(h.admin, header, bytes("of use"));
  const awaited = await h.documents.createUpload(h.admin, header, "");
  const source = { kind: "document" as const, documentId: used.id };
  const { job } = await h.jobs.create(h.admin, textRequest("", { source }));
  await letTimePass(h);
  // With what the address of the one that never came may still take.
  expect(await h.expiry.sweep()).toEqual({ jobs: 0, documents: 2, objects: 1 });
  const gone = { reason: "DOCUMENT_NOT_FOUND" };
  await expect(h.documents.get(h.admin, unused.id)).rejects.toMatchObject(gone);
  await expect(h.documents.get(h.admin, awaited.documentId)).rejects.toMatchObject(gone);
  expect(await keysIn(h)).toEqual([`documents/${used.id}`]);
  await h.jobs.cancel(h.admin, job.id, "");
  await letTimePass(h);
  expect(await h.expiry.sweep()).toEqual({ jobs: 1, documents: 0, objects: 0 });
  expect(await keysIn(h)).toEqual([]);
});

test("a process that dies at any point of a sweep leaves no row without its object, and no object for ever", async () => {
  await using h = await createHarness({ retentionMs: DAY_MS });
  const points: CrashPoint[] = [0, 1, 2, 3].flatMap((skip) =>
    (["before", "after", "inside"] as const).flatMap((where) =>
      (where === "inside" ? [0, 1, 2, 3, 5, 8, 13] : [0]).map(
        (statements): CrashPoint => ({ skip, where, statements, manner: "death" }),
      ),
    ),
  );
  let crashed = 0;
  for (const [n, point] of points.entries()) {
    await largeJob(h, n);
    const unused = await h.documents.upload(
      h.admin,
      { filename: "", mediaType: "", sizeBytes: 0, sha256: "" },
      (async function* () {
        yield Buffer.from("bytes");
      })(),
    );
    await letTimePass(h);
    const process = createCrashPoints(h.db).newProcess();
    const expiry = createExpiry({
      db: process.db,
      store: h.store,
      audit: createAuditor(),
      documents: h.documents,
    });
    const outcome = await process.run(point, () => expiry.sweep());
    if (outcome.crashed) crashed++;
    const stored = await keysIn(h);
    const { named, doomed } = await namedKeys(h);
    for (const key of named) expect(stored, JSON.stringify(point)).toContain(key);
    for (const key of stored) expect([...named, ...doomed], JSON.stringify(point)).toContain(key);
    await letTimePass(h);
    await h.expiry.sweep();
    expect(await keysIn(h)).toEqual([]);
    expect(await namedKeys(h)).toEqual({ named: [], doomed: [] });
    await expect(h.documents.get(h.admin, unused.id)).rejects.toMatchObject({ reason: "DOCUMENT_NOT_FOUND" });
  }
  expect(crashed).toBeGreaterThan(20);
}, 60_000);

test("checkpoints of a completed job are removed also when its worker dies before it can", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const [claimed] = await h.leases.claim("w", 1, Date.now);
  const key = `checkpoints/${id}/${claimed!.lease.token}/0.json`;
  await h.store.put(key, Buffer.from("{}"));
  const started = { position: 0, name: "fetch", type: "fetch" };
  const step = { stagesDone: 0, stagesTotal: 7, restored: 0, events: [] };
  await h.leases.step(claimed!.lease, { ...step, ended: null, started });
  const ended = { position: 0, status: "SUCCEEDED" as const, error: null, fromCheckpoint: false };
  await h.leases.step(claimed!.lease, {
    ...step,
    started: null,
    ended: { ...ended, checkpointKey: "k", checkpoint: null, checkpointObject: key },
  });
  await h.leases.complete(claimed!, resultOf("done"));
  await letTimePass(h);
  expect(await h.expiry.sweep()).toMatchObject({ objects: 1 });
  expect(await keysIn(h)).toEqual([]);
});

test("objects that the store refused to remove are removed by a later sweep, also those of a deleted job", async () => {
  await using h = await createHarness();
  const refusing = { ...h.store, delete: () => Promise.reject(new Error("the store is away")) };
  const other = h.newProcess(h.db, h.queue, refusing);
  const id = await largeJob(h, 1);
  await other.jobs.delete(h.admin, id);
  expect(await keysIn(h)).toHaveLength(2);
  expect(await h.expiry.sweep()).toMatchObject({ objects: 0 });
  await letTimePass(h);
  expect(await h.expiry.sweep()).toEqual({ jobs: 0, documents: 0, objects: 2 });
  expect(await keysIn(h)).toEqual([]);
});
