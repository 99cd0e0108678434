import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { LeaseLostError } from "../../../src/jobs/errors.ts";
import type { Lease, Leases } from "../../../src/jobs/leases.ts";
import type { JobStatus, ResultFormat } from "../../../src/jobs/model.ts";
import type { StageJob } from "../../../src/stages/host/pool.ts";
import { StageFailure } from "../../../src/stages/stage.ts";
import type { ObjectStore } from "../../../src/storage/object-store.ts";
import { createHarness, type Harness, textRequest, until } from "../../support/harness.ts";
import { bytesOf, countOf, createJob, eventsOf, sha256, statusesOf } from "../jobs/steps.ts";
import { startTestWorker, untilAborted } from "./worker-harness.ts";

const DEFAULT_STAGES = ["fetch", "detect", "extract", "normalize", "enrich", "chunk", "quality"];

async function ended(h: Harness, id: string, status: JobStatus, timeoutMs = 30_000) {
  return await until(
    async () => {
      const details = await h.jobs.get(h.admin, id);
      if (details.job.status === status) return details;
      if (details.job.endTime) throw new Error(`${details.job.status}: ${JSON.stringify(details.job.error)}`);
      return null;
    },
    `job ${id} is ${status}`,
    timeoutMs,
  );
}

const finished = (events: Awaited<ReturnType<typeof eventsOf>>) =>
  events
    .filter(({ type }) => type === "stage_finished")
    .map(({ payload }) => payload as { name: string; status: string; fromCheckpoint: boolean });

async function expectNoGaps(h: Harness, id: string): Promise<void> {
  const sequences = (await eventsOf(h, id)).map(({ sequence }) => sequence);
  expect(sequences).toEqual(sequences.map((_, i) => i + 1));
  expect((await h.jobs.get(h.admin, id)).job.lastSequence).toBe(sequences.length);
}

test("a document beyond a limit of the worker fails, and its job names the setting", async () => {
  await using h = await createHarness();
  await using _ = await startTestWorker(h, { limits: { maxDepth: 4, maxOutputCharacters: 50 } });
  const refused = async (text: string) => {
    const { job } = await h.jobs.create(h.admin, textRequest(text));
    return (await ended(h, job.id, "FAILED")).job.error;
  };
  expect(await refused("[[[[[1]]]]]")).toMatchObject({
    reason: "LIMIT_EXCEEDED",
    message: "The JSON nests deeper than the 4 levels allowed. The limit is SLUICE_MAX_NESTING.",
    limit: "SLUICE_MAX_NESTING",
    stage: "extract",
    retryable: false,
  });
  expect(await refused("Water runs through the gate. ".repeat(2))).toMatchObject({
    reason: "LIMIT_EXCEEDED",
    limit: "SLUICE_MAX_OUTPUT_CHARACTERS",
  });
});

test("a text goes through every stage to a result in every format, and leaves no file behind", async () => {
  await using h = await createHarness();
  await using w = await startTestWorker(h);
  const text = "The sluice opens at dawn.\n\nWater runs through the gate.";
  const { job } = await h.jobs.create(h.admin, textRequest(text));
  const { job: done, stages } = await ended(h, job.id, "COMPLETED");
  expect(stages.map(({ name, status }) => `${name} ${status}`)).toEqual(
    DEFAULT_STAGES.map((name) => `${name} SUCCEEDED`),
  );
  expect(done).toMatchObject({ attempt: 1, stagesDone: 7, stagesTotal: 7, error: null });
  await expectNoGaps(h, job.id);
  expect(await statusesOf(h, job.id)).toEqual(["CREATED", "PROCESSING", "COMPLETED"]);
  const { result } = await h.jobs.result(h.admin, job.id);
  expect(result.extractedText).toContain("Water runs through the gate.");
  expect(result.qualityScore).toBeGreaterThan(0);
  for (const format of ["TEXT", "MARKDOWN", "JSON", "CHUNKS"] satisfies ResultFormat[]) {
    const { content, body } = await h.jobs.download(h.admin, job.id, format, 0, AbortSignal.timeout(10_000));
    expect(sha256(await bytesOf(body))).toBe(content.sha256);
  }
  await until(async () => (await w.leftovers()).length === 0, "the folder of the attempt is gone");
});

test("forty jobs on two places all complete once, and no two attempts share a lease", async () => {
  await using h = await createHarness();
  await using _first = await startTestWorker(h);
  const made = await Promise.all(
    Array.from({ length: 40 }, (_, i) => createJob(h, h.admin, `text number ${i}`)),
  );
  await until(
    async () => (await h.jobs.count(h.admin, {})).every(({ status }) => status === "COMPLETED"),
    "all done",
  );
  expect(await countOf(h, "job_results")).toBe(40);
  for (const id of made.slice(0, 5)) await expectNoGaps(h, id);
});

test("a job whose worker vanished goes on at the first unfinished stage", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const held = Promise.withResolvers<StageJob>();
  // The first worker stands still in a stage and hears of nothing: like one whose machine was cut off.
  const first = await startTestWorker(h, {
    concurrency: 1,
    graceMs: 0,
    heartbeatMs: 600_000,
    beforeStage: async (stage) => {
      if (stage.stageType !== "normalize") return;
      held.resolve(stage);
      await untilAborted(stage.signal);
    },
  });
  await held.promise;
  await h.db.sql`update jobs set lease_until = now() - interval '1 second'`;
  expect(await h.leases.sweep()).toMatchObject([{ id, status: "CREATED" }]);
  const seen: string[] = [];
  await using _second = await startTestWorker(h, {
    beforeStage: async ({ stageType }) => void seen.push(stageType),
  });
  await ended(h, id, "COMPLETED");
  expect(seen).toEqual(["normalize", "enrich", "chunk", "quality"]);
  const ends = finished(await eventsOf(h, id));
  expect(ends.filter(({ fromCheckpoint }) => fromCheckpoint).map(({ name }) => name)).toEqual([
    "fetch",
    "detect",
    "extract",
  ]);
  const { stages } = await h.jobs.get(h.admin, id);
  expect(stages.map(({ fromCheckpoint }) => fromCheckpoint)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
  await first[Symbol.asyncDispose]();
  expect(await statusesOf(h, id)).toEqual(["CREATED", "PROCESSING", "CREATED", "PROCESSING", "COMPLETED"]);
  expect(await countOf(h, "job_results")).toBe(1);
  await expectNoGaps(h, id);
});

test("a worker that lost its lease is refused, writes nothing more and removes what it stored", async () => {
  await using h = await createHarness();
  const id = await createJob(h);
  const lost = Promise.withResolvers<unknown>();
  await using w = await startTestWorker(h, {
    concurrency: 1,
    beforeStage: async (stage) => {
      if (stage.stageType !== "enrich") return;
      await h.db
        .sql`update jobs set lease_token = gen_random_uuid(), lease_until = now() + interval '1 hour'`;
      await untilAborted(stage.signal).catch((reason) => lost.resolve(reason));
      throw stage.signal.reason;
    },
  });
  expect(await lost.promise).toBeInstanceOf(LeaseLostError);
  await until(async () => (await w.leftovers()).length === 0, "the attempt has ended");
  expect((await h.jobs.get(h.admin, id)).job).toMatchObject({ status: "PROCESSING", stage: "enrich" });
  await expectNoGaps(h, id);
});

test("a cancel reaches a running stage by its wake-up, long before the next heartbeat", async () => {
  await using h = await createHarness();
  await using w = await startTestWorker(h, { concurrency: 1, heartbeatMs: 600_000 });
  const text = Array.from(
    { length: 400_000 },
    (_, i) => `Sentence number ${i} tells of water and gates.\n\n`,
  ).join("");
  const { job } = await h.jobs.create(h.admin, textRequest(text));
  await until(
    async () => (await h.jobs.get(h.admin, job.id)).job.stage === "extract",
    "the document is being read",
  );
  await h.jobs.cancel(h.admin, job.id, "");
  await ended(h, job.id, "CANCELLED");
  expect((await h.jobs.get(h.admin, job.id)).stages.map(({ status }) => status)).toContain("CANCELLED");
  await until(async () => (await w.leftovers()).length === 0, "its files are gone");
  // The place is free again, with a fresh process.
  await ended(h, await createJob(h), "COMPLETED");
});

test("a cancel whose wake-up is lost arrives with the next heartbeat", async () => {
  await using h = await createHarness();
  const held = Promise.withResolvers<void>();
  await using _w = await startTestWorker(h, {
    beforeStage: async ({ signal }) => {
      held.resolve();
      await untilAborted(signal);
    },
  });
  const id = await createJob(h);
  await held.promise;
  await h.db.sql`update jobs set status = 'CANCELLING' where id = ${id}`;
  await ended(h, id, "CANCELLED");
});

test("an attempt that takes longer than the job may fails for good with JOB_TIMEOUT", async () => {
  await using h = await createHarness();
  await using _w = await startTestWorker(h, { beforeStage: ({ signal }) => untilAborted(signal) });
  const { job } = await h.jobs.create(h.admin, textRequest("x", { timeoutMs: 300 }));
  const { job: failed } = await ended(h, job.id, "FAILED");
  expect(failed).toMatchObject({
    attempt: 1,
    error: { reason: "JOB_TIMEOUT", retryable: false, stage: "detect" },
  });
});

test("a document that is at fault fails with its reason, at the first attempt", async () => {
  await using h = await createHarness();
  await using _w = await startTestWorker(h);
  const fixture = (name: string) => readFile(new URL(`../../fixtures/pdf/${name}`, import.meta.url));
  const encrypted = await fixture("encrypted.pdf");
  const readable = await fixture("owner-only.pdf");
  const cases: [string, Uint8Array, string][] = [
    ["encrypted.pdf", encrypted, "DOCUMENT_ENCRYPTED"],
    ["cut.pdf", readable.subarray(0, 300), "DOCUMENT_CORRUPT"],
    [
      "noise.bin",
      Buffer.from(Array.from({ length: 4_000 }, (_, i) => (i * 7919) % 256)),
      "UNSUPPORTED_MEDIA_TYPE",
    ],
  ];
  for (const [filename, bytes, reason] of cases) {
    const source = { kind: "inline", bytes, filename, mediaType: "" } as const;
    const { job } = await h.jobs.create(h.admin, textRequest("", { source }));
    const { job: failed } = await ended(h, job.id, "FAILED");
    expect([filename, failed.error?.reason, failed.attempt]).toEqual([filename, reason, 1]);
    expect(
      (await eventsOf(h, job.id)).filter(({ type }) => type === "stage_started").length,
    ).toBeLessThanOrEqual(3);
    await expectNoGaps(h, job.id);
  }
});

test("a document whose bytes are gone fails and is not tried for ever", async () => {
  await using h = await createHarness();
  const { job, document } = await h.jobs.create(h.admin, textRequest("x".repeat(100_000)));
  const [row] = await h.db.sql<
    { objectKey: string }[]
  >`select object_key from documents where id = ${document?.id ?? ""}`;
  await h.store.delete(row?.objectKey ?? "");
  await using _w = await startTestWorker(h);
  expect((await ended(h, job.id, "FAILED")).job.error).toMatchObject({ stage: "fetch", retryable: false });
});

test("a failure that trying again can mend is tried again from where it stopped, and each attempt is counted", async () => {
  await using h = await createHarness();
  let failures = 0;
  await using _w = await startTestWorker(h, {
    beforeStage: async ({ stageType }) => {
      if (stageType === "chunk" && failures < 2) {
        failures++;
        throw new StageFailure("PARSER_CRASHED", "killed from outside", true);
      }
    },
  });
  const id = await createJob(h);
  const { job, stages } = await ended(h, id, "COMPLETED");
  expect(job).toMatchObject({ attempt: 3, error: null });
  expect(stages[5]).toMatchObject({ name: "chunk", attempt: 3, error: null });
  const events = await eventsOf(h, id);
  const starts = events
    .filter(({ type }) => type === "stage_started")
    .map(({ payload }) => payload as { name: string; attempt: number });
  expect(starts.filter(({ name }) => name === "chunk").map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  expect(starts.filter(({ name }) => name === "extract").map(({ attempt }) => attempt)).toEqual([1]);
  await expectNoGaps(h, id);
});

test("attempts end: a stage that fails again and again fails the job after its last", async () => {
  await using h = await createHarness();
  await using _w = await startTestWorker(h, {
    beforeStage: async () => {
      throw new StageFailure("PARSER_CRASHED", "killed from outside", true);
    },
  });
  const { job } = await h.jobs.create(h.admin, textRequest("x", { maxAttempts: 2 }));
  expect((await ended(h, job.id, "FAILED")).job).toMatchObject({
    attempt: 2,
    error: { reason: "PARSER_CRASHED" },
  });
});

test("a connection to the object store that is lost again and again fails the job after its last attempt", async () => {
  await using h = await createHarness();
  let reads = 0;
  const get: ObjectStore["get"] = async () => {
    reads++;
    throw Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
  };
  const { documents } = h.newProcess(h.db, undefined, { ...h.store, get });
  await using _w = await startTestWorker(h, { documents });
  const { job } = await h.jobs.create(h.admin, textRequest("x".repeat(100_000), { maxAttempts: 2 }));
  const { job: failed } = await ended(h, job.id, "FAILED");
  expect(failed).toMatchObject({ attempt: 2, error: { retryable: true, stage: "fetch" } });
  expect(reads).toBe(2);
});

test("a job that is handed back and comes to the same worker at once keeps its lease", async () => {
  await using h = await createHarness({ leaseMs: 1_500 });
  let rounds = 0;
  await using _w = await startTestWorker(h, {
    beforeStage: async ({ stageType, signal }) => {
      if (stageType === "detect" && rounds++ < 4) {
        const [lease] = await h.db.sql<Lease[]>`
          select id as job_id, lease_token as token from jobs where status = 'PROCESSING'`;
        if (lease) await h.leases.release([lease]);
      }
      if (stageType !== "enrich") return;
      // Longer than a lease: only heartbeats carry the attempt over it.
      const until = performance.now() + 2_500;
      while (performance.now() < until) {
        signal.throwIfAborted();
        await h.leases.sweep();
      }
    },
  });
  const id = await createJob(h);
  const { job } = await ended(h, id, "COMPLETED");
  expect(job.attempt).toBe(1);
  expect((await statusesOf(h, id)).filter((status) => status === "PROCESSING")).toHaveLength(5);
});

test("a worker that stops hands back what it runs, with its attempts uncounted and its files gone", async () => {
  await using h = await createHarness();
  const held = Promise.withResolvers<void>();
  const w = await startTestWorker(h, {
    graceMs: 50,
    beforeStage: async ({ stageType, signal }) => {
      if (stageType !== "enrich") return;
      held.resolve();
      await untilAborted(signal);
    },
  });
  const id = await createJob(h);
  await held.promise;
  await w.worker.stop();
  expect(await w.leftovers()).toEqual([]);
  expect(w.pool.pids()).toEqual([]);
  const { job } = await h.jobs.get(h.admin, id);
  expect(job).toMatchObject({ status: "CREATED", attempt: 0, workerId: null });
  expect(await countOf(h, "workers")).toBe(0);
  await using _second = await startTestWorker(h);
  expect((await ended(h, id, "COMPLETED")).job.attempt).toBe(1);
  expect(finished(await eventsOf(h, id)).some(({ fromCheckpoint }) => fromCheckpoint)).toBe(true);
  await w[Symbol.asyncDispose]();
});

test("a job that was ordered to stop while its worker stops is cancelled, not left to its lease", async () => {
  await using h = await createHarness();
  const held = Promise.withResolvers<void>();
  const w = await startTestWorker(h, {
    graceMs: 0,
    heartbeatMs: 600_000,
    beforeStage: async ({ signal }) => {
      held.resolve();
      await untilAborted(signal);
    },
  });
  const id = await createJob(h);
  await held.promise;
  await h.db.sql`update jobs set status = 'CANCELLING' where id = ${id}`;
  await w[Symbol.asyncDispose]();
  expect((await h.jobs.get(h.admin, id)).job.status).toBe("CANCELLED");
});

test("connections to Postgres that are cut in the middle of work cost time and nothing else", async () => {
  await using h = await createHarness({ leaseMs: 2_000 });
  let cuts = 0;
  await using _w = await startTestWorker(h, {
    beforeStage: async ({ stageType }) => {
      if ((stageType !== "normalize" && stageType !== "quality") || cuts++ >= 6) return;
      await h.db.sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`.catch(() => {});
    },
  });
  const ids = await Promise.all(Array.from({ length: 4 }, (_, i) => createJob(h, h.admin, `text ${i}`)));
  await until(
    async () => {
      if (cuts >= 6) await h.leases.sweep().catch(() => {});
      const counts = await h.jobs.count(h.admin, {}).catch(() => []);
      return counts.length === 1 && counts[0]?.status === "COMPLETED";
    },
    "all are completed",
    40_000,
  );
  // The driver gives the error of a cut connection to the next statement too.
  await until(async () => {
    const looks = await Promise.allSettled(Array.from({ length: 8 }, () => h.db.sql`select 1`));
    return looks.every(({ status }) => status === "fulfilled");
  }, "every connection is whole again");
  expect(await countOf(h, "job_results")).toBe(4);
  for (const id of ids) {
    expect((await statusesOf(h, id)).filter((status) => status === "COMPLETED")).toHaveLength(1);
    await expectNoGaps(h, id);
  }
});

test("sweeps by several processes at once take each lost job back once", async () => {
  await using h = await createHarness();
  for (let i = 0; i < 30; i++) await createJob(h);
  await h.leases.claim("gone", 30, Date.now);
  await h.db.sql`update jobs set lease_until = now() - interval '1 second'`;
  const recovered = (await Promise.all(Array.from({ length: 6 }, () => h.leases.sweep()))).flat();
  expect(new Set(recovered.map(({ id }) => id)).size).toBe(30);
  expect(recovered).toHaveLength(30);
  const [events] = await h.db.sql<{ count: number }[]>`
    select count(*)::int as count from job_events where payload->>'lostWorker' = 'gone'`;
  expect(events?.count).toBe(30);
});

test("a result over 1 MiB goes to the object store, and its bytes are those that were announced", async () => {
  await using h = await createHarness();
  await using _w = await startTestWorker(h);
  const text = Array.from({ length: 30_000 }, (_, i) => `Paragraph ${i} tells of water and gates.`).join(
    "\n\n",
  );
  const { job } = await h.jobs.create(h.admin, textRequest(text));
  await ended(h, job.id, "COMPLETED", 50_000);
  const { result, download } = await h.jobs.result(h.admin, job.id);
  expect(result.extractedText).toBeNull();
  expect(download?.url).toBeTruthy();
  const { content, body } = await h.jobs.download(h.admin, job.id, "TEXT", 0, AbortSignal.timeout(10_000));
  const bytes = await bytesOf(body);
  expect([bytes.length, sha256(bytes)]).toEqual([result.sizeBytes, result.sha256]);
  expect(content.sha256).toBe(result.sha256);
  expect(bytes.toString()).toContain("Paragraph 29999 tells");
  await h.jobs.delete(h.admin, job.id);
  expect(await h.store.head(content.objectKey ?? "")).toBeNull();
});

test("objects of a result that is cancelled at the last moment, or of a lost lease, do not stay", async () => {
  await using h = await createHarness();
  const kept = new Set<string>();
  let interfere: () => Promise<unknown> = async () => undefined;
  const store: ObjectStore = {
    ...h.store,
    async put(key, body) {
      const stored = await h.store.put(key, body);
      kept.add(key);
      if (key.startsWith("results/") && key.endsWith("text.txt")) await interfere();
      return stored;
    },
    async delete(key) {
      await h.store.delete(key);
      kept.delete(key);
    },
  };
  let obeyed = Promise.withResolvers<void>();
  const leases: Leases = {
    ...h.leases,
    async orders(held) {
      const orders = await h.leases.orders(held);
      if (orders.length > 0) setImmediate(() => obeyed.resolve());
      return orders;
    },
  };
  await using w = await startTestWorker(h, { store, leases, heartbeatMs: 600_000 });
  const text = Array.from({ length: 30_000 }, (_, i) => `Paragraph ${i} tells of water and gates.`).join(
    "\n\n",
  );
  const { job: cancelled } = await h.jobs.create(h.admin, textRequest(text));
  interfere = () => h.db.sql`update jobs set status = 'CANCELLING' where id = ${cancelled.id}`;
  await ended(h, cancelled.id, "CANCELLED", 50_000);
  await until(async () => ![...kept].some((key) => key.startsWith("results/")), "the objects are gone");
  await h.jobs.delete(h.admin, cancelled.id);

  const { job: stopped } = await h.jobs.create(h.admin, textRequest(text));
  obeyed = Promise.withResolvers<void>();
  interfere = async () => {
    await h.jobs.cancel(h.admin, stopped.id, "");
    await obeyed.promise;
  };
  await ended(h, stopped.id, "CANCELLED", 50_000);
  await until(async () => ![...kept].some((key) => key.startsWith("results/")), "the objects are gone");

  const { job: lost } = await h.jobs.create(h.admin, textRequest(text));
  const taken = Promise.withResolvers<void>();
  interfere = async () => {
    await h.db.sql`update jobs set lease_token = gen_random_uuid() where id = ${lost.id}`;
    taken.resolve();
  };
  await taken.promise;
  await until(async () => (await w.leftovers()).length === 0, "the attempt has ended");
  expect([...kept].filter((key) => key.startsWith("results/"))).toEqual([]);
});

test("a document with characters that Postgres does not store completes, and size and hash are those of what is kept", async () => {
  await using h = await createHarness();
  await using _w = await startTestWorker(h);
  const emoji = "😀".repeat(3_000);
  const html = `<html><head><title>x${emoji}</title></head><body><p>nul &#0; and half &#xD800; and ${emoji}</p></body></html>`;
  const json = JSON.stringify({ "key\0": "value\0", half: "\ud83d", list: ["a\0b"] });
  for (const [filename, content] of [
    ["a.html", html],
    ["a.json", json],
    ["a.txt", "plain\0text\u0001with controls and enough words to be a text"],
  ] as const) {
    const source = { kind: "inline", bytes: Buffer.from(content), filename, mediaType: "" } as const;
    const { job } = await h.jobs.create(h.admin, textRequest("", { source }));
    const details = await until(async () => {
      const found = await h.jobs.get(h.admin, job.id);
      return found.job.endTime ? found : null;
    }, "the job has ended");
    // A text with U+0000 may be taken for no text at all; that is an answer, and not a crash.
    expect(["COMPLETED", "UNSUPPORTED_MEDIA_TYPE"]).toContain(
      details.job.error?.reason ?? details.job.status,
    );
    if (details.job.status !== "COMPLETED") continue;
    for (const format of ["TEXT", "MARKDOWN", "JSON", "CHUNKS"] satisfies ResultFormat[]) {
      const { content: kept, body } = await h.jobs.download(
        h.admin,
        job.id,
        format,
        0,
        AbortSignal.timeout(10_000),
      );
      const bytes = await bytesOf(body);
      expect([bytes.length, sha256(bytes)]).toEqual([kept.sizeBytes, kept.sha256]);
    }
  }
});
