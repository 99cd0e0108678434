import { expect, test } from "vitest";
import { createAuditor } from "../../../src/audit/auditor.ts";
import { createExpiry } from "../../../src/jobs/expiry.ts";
import { type CrashPoint, createCrashPoints } from "../../support/crash-points.ts";
import { createHarness, type Harness, textRequest } from "../../support/harness.ts";
import { bytesOf, countOf } from "./steps.ts";

const header = { filename: "", mediaType: "", sizeBytes: 0, sha256: "" };

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

async function keysIn(h: Harness): Promise<string[]> {
  const keys: string[] = [];
  for (const folder of ["documents", "sources"])
    for await (const { key } of h.store.list(folder)) keys.push(key);
  return keys.sort();
}

const namedKeys = async (h: Harness): Promise<string[]> => {
  const rows = await h.db.sql<{ key: string }[]>`
    select distinct object_key as key from documents where object_key is not null order by 1`;
  return rows.map(({ key }) => key);
};

const letTimePass = async (h: Harness): Promise<void> => {
  await h.db.sql`update documents set expires_at = expires_at - interval '10 years'`;
  await h.db.sql`update doomed_objects set since = since - interval '10 years'`;
};

async function textOf(h: Harness, id: string): Promise<string> {
  return (await bytesOf((await h.documents.open(id, AbortSignal.timeout(10_000))).body)).toString();
}

async function cancelledJob(h: Harness, text: string): Promise<string> {
  const { job } = await h.jobs.create(h.admin, textRequest(text));
  await h.jobs.cancel(h.admin, job.id, "");
  return job.id;
}

test("documents with the same bytes lie in the store once, whoever brought them and how, until the last has gone", async () => {
  await using h = await createHarness();
  const text = "the same ".repeat(10_000);
  const [first, second] = [await cancelledJob(h, text), await cancelledJob(h, text)];
  const { id } = await h.documents.upload(h.caller(), header, bytes(text));
  const other = await h.documents.upload(h.admin, header, bytes("other bytes"));
  const sent = await h.documents.createUpload(h.admin, header, "");
  const stored = await h.store.put("documents/sent/1", bytes(text));
  await h.documents.uploaded(`documents/${sent.documentId}`, "documents/sent/1", stored);
  await letTimePass(h);
  await h.expiry.sweep();
  expect(await keysIn(h)).toHaveLength(2);
  expect(await keysIn(h)).toEqual(await namedKeys(h));
  await h.jobs.delete(h.admin, first);
  expect(await textOf(h, id)).toBe(text);
  await h.jobs.delete(h.admin, second);
  expect(await textOf(h, id)).toBe(text);
  await h.db.sql`update documents set expires_at = now() where id <> ${other.id}`;
  expect(await h.expiry.sweep()).toMatchObject({ documents: 2 });
  expect(await keysIn(h)).toEqual([`documents/${other.id}`]);
  expect(await countOf(h, "stored_objects")).toBe(1);
  expect(await countOf(h, "doomed_objects")).toBe(0);
});

test("bytes that the store has lost are whole again for all documents once they are brought anew", async () => {
  await using h = await createHarness();
  const first = await h.documents.upload(h.admin, header, bytes("lost and found"));
  const second = await h.documents.upload(h.caller(), header, bytes("lost and found"));
  for (const key of await keysIn(h)) await h.store.delete(key);
  await expect(textOf(h, first.id)).rejects.toThrow();
  const third = await h.documents.upload(h.admin, header, bytes("lost and found"));
  for (const { id } of [first, second, third]) expect(await textOf(h, id)).toBe("lost and found");
  await letTimePass(h);
  await h.expiry.sweep();
  expect(await keysIn(h)).toEqual(await namedKeys(h));
});

test("the last that goes and a new one that comes with the same bytes never lose them", async () => {
  await using h = await createHarness();
  const others = [h, h.newProcess()] as const;
  const text = "raced for ".repeat(8_000);
  let last = await cancelledJob(h, text);
  for (let round = 0; round < 15; round++) {
    const [deleted, created] = await Promise.all([
      others[round % 2]?.jobs.delete(h.admin, last),
      h.jobs.create(h.admin, textRequest(text)),
      h.expiry.sweep(),
      letTimePass(h),
    ]);
    expect(deleted).toBeUndefined();
    expect(await textOf(h, created.job.documentId)).toBe(text);
    await h.jobs.cancel(h.admin, created.job.id, "");
    last = created.job.id;
  }
  await h.jobs.delete(h.admin, last);
  await letTimePass(h);
  await h.expiry.sweep();
  expect(await keysIn(h)).toEqual([]);
  expect(await countOf(h, "stored_objects")).toBe(0);
});

test("a process that dies while it removes one of two with the same bytes leaves the other whole, and nothing for ever", async () => {
  await using h = await createHarness({ retentionMs: 86_400_000 });
  const points: CrashPoint[] = [0, 1, 2].flatMap((skip) =>
    (["before", "after", "inside"] as const).flatMap((where) =>
      (where === "inside" ? [0, 1, 2, 3, 4] : [0]).map(
        (statements): CrashPoint => ({ skip, where, statements, manner: "death" }),
      ),
    ),
  );
  let crashed = 0;
  const kept = await h.documents.upload(h.admin, header, bytes("shared"));
  const [keptKey = ""] = await namedKeys(h);
  await h.db.sql`update documents set expires_at = null`;
  for (const point of points) {
    await h.documents.upload(h.admin, header, bytes("shared"));
    await h.documents.upload(h.admin, header, bytes("alone"));
    await letTimePass(h);
    const process = createCrashPoints(h.db).newProcess();
    const parts = { db: process.db, store: h.store, audit: createAuditor(), documents: h.documents };
    const outcome = await process.run(point, () => createExpiry(parts).sweep());
    if (outcome.crashed) crashed++;
    expect(await keysIn(h)).toEqual(expect.arrayContaining(await namedKeys(h)));
    expect(await textOf(h, kept.id)).toBe("shared");
    await letTimePass(h);
    await h.expiry.sweep();
    expect(await keysIn(h), JSON.stringify(point)).toEqual([keptKey]);
    expect(await countOf(h, "doomed_objects")).toBe(0);
    expect(await countOf(h, "stored_objects")).toBe(1);
  }
  expect(crashed).toBeGreaterThan(8);
}, 60_000);
