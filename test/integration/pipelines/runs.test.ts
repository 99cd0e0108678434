import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { createSecretBox } from "../../../src/lib/secret-box.ts";
import type { StageDraft } from "../../../src/pipelines/model.ts";
import { createPipelinesService } from "../../../src/pipelines/service.ts";
import { StageFailure } from "../../../src/stages/stage.ts";
import { createHarness, type Harness, textRequest, until } from "../../support/harness.ts";
import { eventsOf } from "../jobs/steps.ts";
import { startTestWorker } from "../worker/worker-harness.ts";

const stage = (type: string, changes: Partial<StageDraft> = {}): StageDraft => ({
  name: type,
  type,
  options: {},
  ...changes,
});
const START = [stage("fetch"), stage("detect"), stage("extract")];

async function pipelineOf(h: Harness, stages: readonly StageDraft[], name = "mine"): Promise<void> {
  const request = { name, description: "", stages, isActive: null, requestId: "" };
  await h.pipelines.create(h.admin, request);
}

async function submit(h: Harness, changes: Parameters<typeof textRequest>[1] = {}): Promise<string> {
  const { job } = await h.jobs.create(
    h.admin,
    textRequest("# A heading\n\nA text.", { pipelineName: "mine", ...changes }),
  );
  return job.id;
}

const ended = (h: Harness, id: string) =>
  until(async () => {
    const details = await h.jobs.get(h.admin, id);
    return details.job.endTime ? details : null;
  }, "the job has ended");

const stagesOf = async (h: Harness, id: string) =>
  (await h.jobs.get(h.admin, id)).stages.map(({ name, status }) => `${name} ${status}`);

const metadataOf = async (h: Harness, id: string) =>
  (await h.jobs.result(h.admin, id)).result.metadata as {
    warnings: { code: string; message: string }[];
    facts: { [key: string]: unknown };
  };

test("a stage whose condition is false is SKIPPED, in the stages and in the events, and nothing warns of it", async () => {
  await using h = await createHarness();
  await using _w = await startTestWorker(h);
  await pipelineOf(h, [
    ...START,
    stage("normalize", { when: 'document.media_type == "application/pdf"' }),
    stage("enrich", { when: "document.size_bytes > 5" }),
    stage("quality", { when: "metadata.facts.words > 1000" }),
  ]);
  const id = await submit(h);
  expect((await ended(h, id)).job).toMatchObject({ status: "COMPLETED", error: null, stagesDone: 6 });
  expect(await stagesOf(h, id)).toEqual([
    "fetch SUCCEEDED",
    "detect SUCCEEDED",
    "extract SUCCEEDED",
    "normalize SKIPPED",
    "enrich SUCCEEDED",
    "quality SKIPPED",
  ]);
  const events = (await eventsOf(h, id)).filter(({ type }) => type === "stage_finished");
  expect(events.map(({ payload }) => payload)).toContainEqual(
    expect.objectContaining({ name: "normalize", status: "SKIPPED" }),
  );
  const skipped = events.find(({ payload }) => (payload as { name: string }).name === "normalize");
  expect(skipped?.payload).not.toHaveProperty("error");
  const { warnings, facts } = await metadataOf(h, id);
  expect(warnings).toEqual([]);
  expect(facts.words).toBeGreaterThan(0);
});

test("a condition that cannot be told fails the job with CONDITION_FAILED, or is skipped with a warning", async () => {
  await using h = await createHarness();
  await using _w = await startTestWorker(h);
  const when = "metadata.facts.words > 10";
  await pipelineOf(h, [...START, stage("normalize", { when })]);
  await pipelineOf(h, [...START, stage("normalize", { when, onFailure: "SKIP" })], "lenient");
  const strict = await submit(h);
  const lenient = await submit(h, { pipelineName: "lenient" });
  expect((await ended(h, strict)).job).toMatchObject({
    status: "FAILED",
    attempt: 1,
    error: { reason: "CONDITION_FAILED", stage: "normalize", retryable: false },
  });
  expect((await stagesOf(h, strict)).at(-1)).toBe("normalize FAILED");
  expect((await ended(h, lenient)).job.status).toBe("COMPLETED");
  expect((await stagesOf(h, lenient)).at(-1)).toBe("normalize SKIPPED");
  expect((await metadataOf(h, lenient)).warnings).toEqual([
    {
      code: "STAGE_SKIPPED",
      message: expect.stringContaining("Stage normalize failed and was skipped (CONDITION_FAILED)"),
    },
  ]);
});

test("a condition that takes too long is ended, and other jobs go on meanwhile", async () => {
  await using h = await createHarness();
  await using _w = await startTestWorker(h);
  // As long as its bounds allow, and only in the document process.
  const list = `[${Array.from({ length: 90 }, () => 1).join()}]`;
  const when = `${list}.all(a, ${list}.all(b, ${list}.all(c, ${list}.all(d, true))))`;
  await pipelineOf(h, [...START, stage("normalize", { when })]);
  const slow = await submit(h);
  await until(
    async () => (await h.jobs.get(h.admin, slow)).job.stage === "normalize",
    "the condition is evaluated",
  );
  const other = await h.jobs.create(h.admin, textRequest("another text"));
  expect((await ended(h, other.job.id)).job.status).toBe("COMPLETED");
  const { job } = await ended(h, slow);
  expect(job.error).toMatchObject({
    reason: "CONDITION_FAILED",
    message: expect.stringContaining("longer than 5 s"),
  });
});

test("a pipeline whose stages were all left out completes with a result that has no text", async () => {
  await using h = await createHarness();
  await using _w = await startTestWorker(h);
  await pipelineOf(h, [stage("fetch"), stage("detect", { when: "document.size_bytes > 1000000" })]);
  const id = await submit(h);
  expect((await ended(h, id)).job.status).toBe("COMPLETED");
  const { result } = await h.jobs.result(h.admin, id);
  expect(result.extractedText).toBe("");
});

test("after a lost worker a job goes on behind stages that were left out, and shows them as such", async () => {
  await using h = await createHarness();
  await pipelineOf(h, [...START, stage("normalize", { when: "false" }), stage("enrich"), stage("quality")]);
  const runs: string[] = [];
  let failed = false;
  await using _w = await startTestWorker(h, {
    async beforeStage({ stageType }) {
      runs.push(stageType);
      if (stageType === "quality" && !failed) {
        failed = true;
        throw new StageFailure("PARSER_CRASHED", "the process died", true);
      }
    },
  });
  const id = await submit(h);
  const { job, stages } = await ended(h, id);
  expect(job).toMatchObject({ status: "COMPLETED", attempt: 2 });
  expect(runs).toEqual(["detect", "extract", "enrich", "quality", "quality"]);
  expect(stages.map(({ name, status, fromCheckpoint }) => `${name} ${status} ${fromCheckpoint}`)).toEqual([
    "fetch SUCCEEDED true",
    "detect SUCCEEDED true",
    "extract SUCCEEDED true",
    "normalize SKIPPED true",
    "enrich SUCCEEDED true",
    "quality SUCCEEDED false",
  ]);
});

test("a stage is run again within the attempt as its policy says, and the log of the job tells each time", async () => {
  await using h = await createHarness();
  const retry = { maxAttempts: 3, initialBackoffMs: 1, maxBackoffMs: 5 };
  await pipelineOf(h, [...START, stage("normalize", { retry })]);
  let runs = 0;
  await using _w = await startTestWorker(h, {
    async beforeStage({ stageType }) {
      if (stageType === "normalize" && ++runs < 3)
        throw new StageFailure("PARSER_CRASHED", "the process died", true);
    },
  });
  const id = await submit(h, { maxAttempts: 1 });
  expect((await ended(h, id)).job).toMatchObject({ status: "COMPLETED", attempt: 1, error: null });
  expect(runs).toBe(3);
  const logs = (await eventsOf(h, id)).filter(({ type }) => type === "log");
  expect(logs.map(({ payload }) => (payload as { message: string }).message)).toEqual([
    expect.stringMatching(/^The stage failed \(PARSER_CRASHED\); run 2 of 3 begins in 0\.0 s\.$/),
    expect.stringMatching(/^The stage failed \(PARSER_CRASHED\); run 3 of 3 begins in 0\.0 s\.$/),
  ]);
});

const HOUR = { maxAttempts: 2, initialBackoffMs: 3_600_000, maxBackoffMs: 3_600_000 };

/** A worker in whose job a stage has failed, which waits up to an hour before its next run. */
async function waiting(h: Harness, changes: Parameters<typeof startTestWorker>[1] = {}) {
  await pipelineOf(h, [...START, stage("normalize", { retry: HOUR, onFailure: "SKIP" })]);
  const w = await startTestWorker(h, {
    ...changes,
    async beforeStage({ stageType }) {
      if (stageType === "normalize") throw new StageFailure("PARSER_CRASHED", "the process died", true);
    },
  });
  const id = await submit(h);
  await until(
    async () => (await eventsOf(h, id)).some(({ type }) => type === "log"),
    "the stage waits for its next run",
  );
  return { w, id };
}

test("a cancel ends the wait between two runs at once", async () => {
  await using h = await createHarness();
  const { w, id } = await waiting(h);
  await using _ = w;
  await h.jobs.cancel(h.admin, id, "");
  expect((await ended(h, id)).job).toMatchObject({ status: "CANCELLED" });
});

test("a lost lease ends the wait between two runs, and the worker takes other jobs", async () => {
  await using h = await createHarness();
  const { w, id } = await waiting(h, { concurrency: 1 });
  await using _ = w;
  await h.db.sql`update jobs set lease_token = gen_random_uuid() where id = ${id}`;
  await pipelineOf(h, [stage("detect")], "short");
  const other = await submit(h, { pipelineName: "short" });
  expect((await ended(h, other)).job.status).toBe("COMPLETED");
});

test("a worker that stops hands a job back that waits between two runs", async () => {
  await using h = await createHarness();
  const { w, id } = await waiting(h, { graceMs: 0 });
  await w.worker.stop();
  const { job, stages } = await h.jobs.get(h.admin, id);
  expect(job).toMatchObject({ status: "CREATED", attempt: 0 });
  expect(stages.find(({ name }) => name === "normalize")?.status).not.toBe("SKIPPED");
  await w[Symbol.asyncDispose]();
});

test("a stage that runs longer than its timeout fails with STAGE_TIMEOUT, or is skipped with a warning", async () => {
  await using h = await createHarness();
  await using _w = await startTestWorker(h);
  // Larger than what a machine reads and cleans in a millisecond.
  const source = { kind: "text" as const, text: "word and word, ".repeat(200_000), filename: "" };
  await pipelineOf(h, [...START, stage("normalize", { timeoutMs: 1, onFailure: "SKIP" })]);
  await pipelineOf(h, [...START, stage("normalize", { timeoutMs: 1 })], "strict");
  const id = await submit(h, { source });
  const strict = await submit(h, { source, pipelineName: "strict", maxAttempts: 1 });
  expect((await ended(h, id)).job.status).toBe("COMPLETED");
  expect((await metadataOf(h, id)).warnings).toMatchObject([
    { code: "STAGE_SKIPPED", message: expect.stringContaining("STAGE_TIMEOUT") },
  ]);
  expect((await ended(h, strict)).job).toMatchObject({
    status: "FAILED",
    error: { reason: "STAGE_TIMEOUT", stage: "normalize" },
  });
});

test("a source that does not come ends its stage at the timeout of the stage, and its runs are counted", async () => {
  await using h = await createHarness();
  await pipelineOf(h, [
    stage("fetch", { timeoutMs: 200, retry: { maxAttempts: 2, initialBackoffMs: 1 } }),
    stage("detect"),
  ]);
  let opened = 0;
  const documents: typeof h.documents = {
    ...h.documents,
    async open(id, signal) {
      opened++;
      const { document } = await h.documents.open(id, signal);
      return { document, body: silence() };
    },
  };
  await using w = await startTestWorker(h, { documents });
  const id = await submit(h, { maxAttempts: 1 });
  expect((await ended(h, id)).job).toMatchObject({
    status: "FAILED",
    error: { reason: "STAGE_TIMEOUT", stage: "fetch", retryable: true },
  });
  expect(opened).toBe(2);
  await until(async () => (await w.leftovers()).length === 0, "the folder of the attempt is gone");
});

/** A body of which nothing ever comes. */
async function* silence(): AsyncGenerator<Uint8Array> {
  await new Promise(() => {});
  yield new Uint8Array();
}

test("the password of a pipeline opens its documents, that of a job goes before it, and neither is stored in the clear", async () => {
  await using h = await createHarness();
  await using _w = await startTestWorker(h);
  await pipelineOf(h, [stage("fetch"), stage("detect"), stage("extract", { secret: "opensesame" })]);
  const bytes = await readFile(new URL("../../fixtures/pdf/encrypted.pdf", import.meta.url));
  const source = { kind: "inline" as const, bytes, filename: "e.pdf", mediaType: "application/pdf" };
  const by = await submit(h, { source });
  const wrong = await submit(h, { source, password: "wrong" });
  expect((await ended(h, by)).job).toMatchObject({ status: "COMPLETED" });
  expect((await ended(h, wrong)).job.error).toMatchObject({ reason: "DOCUMENT_ENCRYPTED" });
  // An update that brings none keeps it.
  const { id } = await h.pipelines.get({ id: "", name: "mine", version: 0 });
  const without = { name: "", description: "", stages: START, isActive: null };
  expect((await h.pipelines.update(h.admin, id, 1, without)).version).toBe(2);
  const after = await submit(h, { source });
  expect((await ended(h, after)).job).toMatchObject({ status: "COMPLETED", pipelineVersion: 2 });
  const [{ config } = { config: "" }] = await h.db.sql<
    { config: string }[]
  >`select config::text from pipelines where name = 'mine'`;
  expect(config).toContain("sealedSecret");
  expect(config).not.toContain("opensesame");
});

test("a secret that was sealed under another master key fails its job with a sentence", async () => {
  await using h = await createHarness();
  await using _w = await startTestWorker(h);
  const other = createPipelinesService({
    ...h.pipelineParts,
    secrets: createSecretBox(Buffer.alloc(32, 9), "pipeline secrets"),
    now: Date.now,
  });
  const stages = [stage("fetch"), stage("detect"), stage("extract", { secret: "x" })];
  await other.create(h.admin, { name: "mine", description: "", stages, isActive: null, requestId: "" });
  expect((await ended(h, await submit(h))).job.error).toMatchObject({
    reason: "STAGE_FAILED",
    stage: "extract",
    message: expect.stringContaining("master key"),
  });
});
