import { expect, test } from "vitest";
import { newId } from "../../../src/lib/ids.ts";
import {
  PipelineDeletedError,
  PipelineInactiveError,
  PipelineNotFoundError,
  PipelineVersionNotFoundError,
} from "../../../src/pipelines/errors.ts";
import type { StageConfig } from "../../../src/pipelines/model.ts";
import { createPipelinesService } from "../../../src/pipelines/service.ts";
import { createHarness, type Harness, textRequest, until } from "../../support/harness.ts";

const stages = (...types: string[]): StageConfig[] =>
  types.map((type) => ({ name: type, type, options: {} }));
const byName = (name: string, version = 0) => ({ id: "", name, version });

/** Writes a version, and with it the pipeline itself. */
async function writePipeline(
  h: Harness,
  name: string,
  version: number,
  list: StageConfig[],
  id = newId(),
): Promise<string> {
  const config = JSON.stringify({ stages: list });
  await h.db
    .sql`insert into pipelines (id, name, config, version) values (${id}, ${name}, ${config}::text::jsonb, ${version})
    on conflict (id) do update set config = excluded.config, version = excluded.version`;
  await h.db
    .sql`insert into pipeline_versions (pipeline_id, version, config) values (${id}, ${version}, ${config}::text::jsonb)`;
  return id;
}

test("a new job runs the default pipeline when it names none, the newest version when it names no version", async () => {
  await using h = await createHarness();
  const found = await h.pipelines.forNewJob(byName(""));
  expect(found).toMatchObject({ name: "default", version: 1 });
  expect(await h.pipelines.forNewJob({ ...byName(""), id: found.pipelineId })).toEqual(found);
  const id = await writePipeline(h, "short", 1, stages("fetch", "detect"));
  await writePipeline(h, "short", 2, stages("fetch", "detect", "extract"), id);
  expect((await h.pipelines.forNewJob(byName("short"))).stages).toHaveLength(3);
  expect((await h.pipelines.forNewJob(byName("short", 1))).stages).toHaveLength(2);
});

test("a pipeline that is unknown, deleted, inactive, or without that version takes no new job", async () => {
  await using h = await createHarness();
  const { pipelines, db } = h;
  for (const request of [
    byName("nope"),
    { ...byName(""), id: newId() },
    { ...byName(""), id: "no id at all" },
  ]) {
    await expect(pipelines.forNewJob(request)).rejects.toThrow(PipelineNotFoundError);
  }
  await expect(pipelines.forNewJob(byName("default", 99))).rejects.toThrow(PipelineVersionNotFoundError);
  const id = await writePipeline(h, "mine", 1, stages("fetch"));
  await expect(pipelines.forNewJob({ id, name: "default", version: 0 })).rejects.toThrow(
    PipelineNotFoundError,
  );
  await db.sql`update pipelines set is_active = false where id = ${id}`;
  const fresh = () => createPipelinesService({ ...h.pipelineParts, now: Date.now });
  await expect(fresh().forNewJob(byName("mine"))).rejects.toThrow(PipelineInactiveError);
  await db.sql`update pipelines set deleted_at = now() where id = ${id}`;
  await expect(fresh().forNewJob(byName("mine"))).rejects.toThrow(PipelineDeletedError);
});

test("a pipeline that could not be found is found as soon as it is there", async () => {
  await using h = await createHarness();
  await expect(h.pipelines.forNewJob(byName("later"))).rejects.toThrow(PipelineNotFoundError);
  await writePipeline(h, "later", 1, stages("fetch"));
  expect((await h.pipelines.forNewJob(byName("later"))).name).toBe("later");
});

test("what a process knows of a pipeline is at most a second old", async () => {
  await using h = await createHarness();
  let now = 0;
  const pipelines = createPipelinesService({ ...h.pipelineParts, now: () => now });
  const id = await writePipeline(h, "mine", 1, stages("fetch"));
  expect((await pipelines.forNewJob(byName("mine"))).version).toBe(1);
  await writePipeline(h, "mine", 2, stages("fetch", "detect"), id);
  expect((await pipelines.forNewJob(byName("mine"))).version).toBe(1);
  now = 1_000;
  expect((await pipelines.forNewJob(byName("mine"))).version).toBe(2);
  // Another process deletes it: by then this one may not know for so long either.
  await h.pipelines.delete(h.admin, id, 0);
  now = 1_999;
  expect((await pipelines.forNewJob(byName("mine"))).version).toBe(2);
  now = 2_000;
  await expect(pipelines.forNewJob(byName("mine"))).rejects.toThrow(PipelineDeletedError);
});

test("a job keeps the version it was created with: changed, switched off or deleted, the pipeline runs as it was", async () => {
  await using h = await createHarness();
  const list = stages("fetch", "detect", "extract", "quality");
  const id = await writePipeline(h, "mine", 1, list);
  const { job } = await h.jobs.create(h.admin, textRequest("a text", { pipelineName: "mine" }));
  await writePipeline(h, "mine", 2, stages("fetch"), id);
  await h.db.sql`update pipelines set is_active = false, deleted_at = now(), name = 'other' where id = ${id}`;
  await h.startWorker();
  const done = await until(async () => {
    const details = await h.jobs.get(h.admin, job.id);
    return details.job.endTime ? details : null;
  }, "the job has ended");
  expect(done.job).toMatchObject({
    status: "COMPLETED",
    pipelineName: "mine",
    pipelineVersion: 1,
    stagesTotal: 4,
  });
  expect(done.snapshot).toMatchObject({ version: 1, stages: list });
  expect(done.stages.map(({ name }) => name)).toEqual(list.map(({ name }) => name));
});

test("a pipeline whose stages a worker cannot run fails its jobs with a sentence, once", async () => {
  await using h = await createHarness();
  await writePipeline(h, "odd", 1, [...stages("fetch"), { name: "mine", type: "nonsense", options: {} }]);
  const { job } = await h.jobs.create(h.admin, textRequest("x", { pipelineName: "odd" }));
  await h.startWorker();
  const failed = await until(async () => {
    const details = await h.jobs.get(h.admin, job.id);
    return details.job.endTime ? details.job : null;
  }, "the job has ended");
  expect(failed).toMatchObject({
    status: "FAILED",
    attempt: 1,
    error: { reason: "STAGE_UNAVAILABLE", retryable: false },
  });
  expect(failed.error?.message).toContain("nonsense");
});

test("a listing walks through the pipelines newest first and finds names with % and _ as themselves", async () => {
  await using h = await createHarness();
  for (const name of ["a%b", "a_b", "axb"]) await writePipeline(h, name, 1, stages("fetch"));
  const names = async (query: string) =>
    (await h.pipelines.list({ query, isActive: null }, { limit: 10, beforeId: null })).map(
      ({ name }) => name,
    );
  expect(await names("")).toEqual(["axb", "a_b", "a%b", "default"]);
  expect(await names("%")).toEqual(["a%b"]);
  expect(await names("A_B")).toEqual(["a_b"]);
  const [first] = await h.pipelines.list({ query: "", isActive: true }, { limit: 1, beforeId: null });
  const rest = await h.pipelines.list(
    { query: "", isActive: true },
    { limit: 10, beforeId: first?.id ?? null },
  );
  expect(rest).toHaveLength(3);
  expect(await h.pipelines.list({ query: "", isActive: false }, { limit: 10, beforeId: null })).toEqual([]);
});
