import type { MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import type { PipelineConfigSchema } from "../../../gen/sluice/v1/pipelines_pb.ts";
import type { Sluice } from "../../../sdk/src/node.ts";
import { newId } from "../../../src/lib/ids.ts";
import { DEFAULT_PIPELINE } from "../../../src/pipelines/model.ts";
import { createHarness, type Harness } from "../../support/harness.ts";
import { startWire } from "./wire.ts";

type Config = MessageInitShape<typeof PipelineConfigSchema>;

/** `fetch`, `detect`, …, each with its defaults. */
const config = (...types: string[]): Config => ({
  stages: types.map((type) => ({ type: { case: type, value: {} } as never })),
});
const plain = config("fetch", "detect", "extract");

/** Reasons of refusals and `OK`, in order. */
const outcomes = async (calls: readonly Promise<unknown>[]): Promise<string[]> =>
  (await Promise.allSettled(calls)).map((end) => (end.status === "fulfilled" ? "OK" : end.reason.reason));

const auditOf = async (h: Harness) =>
  (
    await h.db.sql<{ action: string; details: { version: number } }[]>`
      select action, request_details as details from audit_logs where action like 'pipelines.%' order by id`
  ).map(({ action, details }) => `${action} ${details.version}`);

async function made(sluice: Sluice, name: string, stages: Config = plain) {
  const { pipeline } = await sluice.pipelines.createPipeline({ name, config: stages });
  if (!pipeline) throw new Error("no pipeline in the answer");
  return pipeline;
}

test("a pipeline is created at version 1, with a row in the audit log, and is there by id and by name", async () => {
  await using h = await createHarness();
  await using wire = await startWire(h);
  const { pipelines } = wire.as("admin");
  const { pipeline } = await pipelines.createPipeline({
    name: "mine",
    description: "For me.",
    config: plain,
  });
  expect(pipeline).toMatchObject({ name: "mine", description: "For me.", version: 1, isActive: true });
  expect(pipeline?.config?.stages.map(({ name }) => name)).toEqual(["fetch", "detect", "extract"]);
  expect((await pipelines.getPipeline({ name: "mine" })).pipeline).toEqual(pipeline);
  expect((await pipelines.getPipeline({ id: pipeline?.id ?? "" })).pipeline).toEqual(pipeline);
  expect((await pipelines.getPipeline({ name: "mine", version: 1 })).pipeline).toEqual(pipeline);
  expect(await auditOf(h)).toEqual(["pipelines.create 1"]);
  const { pipeline: off } = await pipelines.createPipeline({ name: "off", config: plain, isActive: false });
  expect(off?.isActive).toBe(false);
  expect(await outcomes([pipelines.createPipeline({ name: "mine", config: plain })])).toEqual([
    "PIPELINE_EXISTS",
  ]);
});

test("creates with one request id make one pipeline, however many come at once, and other contents are refused", async () => {
  await using h = await createHarness();
  await using wire = await startWire(h);
  const { pipelines } = wire.as("admin");
  const request = { name: "mine", config: plain, requestId: "r-1" };
  const answers = await Promise.all(Array.from({ length: 10 }, () => pipelines.createPipeline(request)));
  expect(new Set(answers.map(({ pipeline }) => pipeline?.id)).size).toBe(1);
  expect(await auditOf(h)).toEqual(["pipelines.create 1"]);
  expect(
    await outcomes([
      pipelines.createPipeline({ ...request, description: "other" }),
      pipelines.createPipeline({ ...request, config: config("detect") }),
      // Somebody else's request ids are others; the name is taken all the same.
      wire.as("operator").pipelines.createPipeline(request),
    ]),
  ).toEqual(["REQUEST_ID_REUSED", "REQUEST_ID_REUSED", "PIPELINE_EXISTS"]);
  const id = answers[0]?.pipeline?.id ?? "";
  await pipelines.deletePipeline({ id });
  expect(await outcomes([pipelines.createPipeline(request)])).toEqual(["PIPELINE_NOT_FOUND"]);
  await h.db.sql`update pipelines set created_at = now() - interval '25 hours' where id = ${id}`;
  const { pipeline } = await pipelines.createPipeline(request);
  expect(pipeline?.id).not.toBe(id);
});

test("an update makes the next version and leaves the one before as it was", async () => {
  await using h = await createHarness();
  await using wire = await startWire(h);
  const { pipelines } = wire.as("admin");
  const first = await made(wire.as("admin"), "mine");
  const { pipeline: second } = await pipelines.updatePipeline({
    id: first.id.toUpperCase(),
    expectedVersion: 1,
    name: "renamed",
    description: "new",
    config: config("fetch", "detect"),
    isActive: false,
  });
  expect(second).toMatchObject({
    id: first.id,
    name: "renamed",
    description: "new",
    version: 2,
    isActive: false,
  });
  const { pipeline: third } = await pipelines.updatePipeline({ id: first.id, config: plain });
  // What is not said stays: the name, and whether it takes jobs. The description is part of the definition.
  expect(third).toMatchObject({ name: "renamed", description: "", version: 3, isActive: false });
  const at = async (version: number) =>
    (await pipelines.getPipeline({ id: first.id, version })).pipeline?.config?.stages.length;
  expect([await at(1), await at(2), await at(3), await at(0)]).toEqual([3, 2, 3, 3]);
  expect(await auditOf(h)).toEqual(["pipelines.create 1", "pipelines.update 2", "pipelines.update 3"]);
  expect(
    await outcomes([
      pipelines.getPipeline({ id: first.id, version: 4 }),
      pipelines.getPipeline({ name: "mine" }),
      pipelines.updatePipeline({ id: first.id, config: plain, expectedVersion: 2 }),
      pipelines.updatePipeline({ id: first.id, config: plain, expectedVersion: 4 }),
      pipelines.updatePipeline({ id: first.id, config: plain, name: "default" }),
      pipelines.updatePipeline({ id: newId(), config: plain }),
    ]),
  ).toEqual([
    "PIPELINE_VERSION_NOT_FOUND",
    "PIPELINE_NOT_FOUND",
    "VERSION_CONFLICT",
    "VERSION_CONFLICT",
    "PIPELINE_EXISTS",
    "PIPELINE_NOT_FOUND",
  ]);
  // Nothing of what was refused is left.
  expect((await pipelines.getPipeline({ id: first.id })).pipeline?.version).toBe(3);
});

test("of twenty updates of one version that come at once one is taken; of twenty of any version all, in a row", async () => {
  await using h = await createHarness();
  await using wire = await startWire(h);
  const { pipelines } = wire.as("admin");
  const { id } = await made(wire.as("admin"), "mine");
  const update = (expectedVersion: number) =>
    pipelines.updatePipeline({ id, expectedVersion, config: plain });
  const first = await outcomes(Array.from({ length: 20 }, () => update(1)));
  expect(first.filter((outcome) => outcome === "OK")).toHaveLength(1);
  expect(first.filter((outcome) => outcome === "VERSION_CONFLICT")).toHaveLength(19);
  const all = await Promise.all(Array.from({ length: 20 }, () => update(0)));
  const versions = all.map(({ pipeline }) => pipeline?.version ?? 0).sort((a, b) => a - b);
  expect(versions).toEqual(Array.from({ length: 20 }, (_, i) => i + 3));
  expect(await auditOf(h)).toHaveLength(22);
});

test("a walk through the versions meets each once, newest first", async () => {
  await using h = await createHarness();
  await using wire = await startWire(h);
  const { pipelines } = wire.as("admin");
  const { id } = await made(wire.as("admin"), "mine");
  for (let i = 0; i < 6; i++) await pipelines.updatePipeline({ id, description: `${i}`, config: plain });
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await pipelines.listPipelineVersions({ id, pageSize: 3, pageToken });
    seen.push(...page.versions.map(({ version, description }) => `${version} ${description}`));
    pageToken = page.nextPageToken;
  } while (pageToken);
  expect(seen).toEqual(["7 5", "6 4", "5 3", "4 2", "3 1", "2 0", "1 "]);
  const { nextPageToken } = await pipelines.listPipelineVersions({ id, pageSize: 3 });
  expect(
    await outcomes([
      pipelines.listPipelineVersions({ id: DEFAULT_PIPELINE.id, pageSize: 3, pageToken: nextPageToken }),
      pipelines.listPipelineVersions({ id: newId() }),
    ]),
  ).toEqual(["PAGE_TOKEN_INVALID", "PIPELINE_NOT_FOUND"]);
});

test("a deleted pipeline takes no new job and says so, its name is free, and a job that exists runs it to its end", async () => {
  await using h = await createHarness();
  await using wire = await startWire(h);
  const { pipelines, jobs } = wire.as("admin");
  const { id } = await made(wire.as("admin"), "mine");
  const create = (pipeline: string, pipelineVersion = 0) =>
    jobs.submit({ text: "a text" }, { pipeline, pipelineVersion });
  const kept = await create("mine");
  expect(await outcomes([pipelines.deletePipeline({ id, expectedVersion: 7 })])).toEqual([
    "VERSION_CONFLICT",
  ]);
  await pipelines.deletePipeline({ id, expectedVersion: 1 });
  await expect(create("mine")).rejects.toMatchObject({
    reason: "PIPELINE_NOT_FOUND",
    message: expect.stringContaining("was deleted at"),
  });
  expect(
    await outcomes([
      create(id),
      create(id, 1),
      pipelines.deletePipeline({ id }),
      pipelines.updatePipeline({ id, config: plain }),
      pipelines.getPipeline({ id }),
      pipelines.listPipelineVersions({ id }),
    ]),
  ).toEqual(Array.from({ length: 6 }, () => "PIPELINE_NOT_FOUND"));
  expect((await pipelines.listPipelines({})).pipelines.map(({ name }) => name)).toEqual(["default"]);
  const again = await made(wire.as("admin"), "mine", config("detect"));
  expect(again).toMatchObject({ version: 1 });
  expect(again.id).not.toBe(id);
  expect(await auditOf(h)).toEqual(["pipelines.create 1", "pipelines.delete 1", "pipelines.create 1"]);
  await h.startWorker();
  const done = await jobs.wait(kept.id);
  expect(done).toMatchObject({ pipelineId: id, pipelineVersion: 1 });
  expect(done.pipelineSnapshot?.stages.map(({ name }) => name)).toEqual(["fetch", "detect", "extract"]);
});

test("a process gives no job a version that it has replaced itself", async () => {
  await using h = await createHarness();
  await using wire = await startWire(h);
  const { pipelines, jobs } = wire.as("admin");
  const { id } = await made(wire.as("admin"), "mine");
  for (let version = 1; version <= 10; version++) {
    expect((await jobs.submit({ text: "t" }, { pipeline: "mine" })).pipelineVersion).toBe(version);
    await pipelines.updatePipeline({ id, config: plain });
  }
  expect((await jobs.submit({ text: "t" }, { pipeline: id, pipelineVersion: 4 })).pipelineVersion).toBe(4);
  await pipelines.updatePipeline({ id, config: plain, isActive: false });
  expect(
    await outcomes([
      jobs.submit({ text: "t" }, { pipeline: "mine" }),
      jobs.submit({ text: "t" }, { pipeline: id, pipelineVersion: 4 }),
      jobs.submit({ text: "t" }, { pipeline: "nope" }),
      jobs.submit({ text: "t" }, { pipeline: newId() }),
      jobs.submit({ text: "t" }, { pipeline: "default", pipelineVersion: 9 }),
    ]),
  ).toEqual([
    "PIPELINE_INACTIVE",
    "PIPELINE_INACTIVE",
    "PIPELINE_NOT_FOUND",
    "PIPELINE_NOT_FOUND",
    "PIPELINE_VERSION_NOT_FOUND",
  ]);
});

test("the pipeline default can be changed, and neither deleted, renamed nor made inactive", async () => {
  await using h = await createHarness();
  await using wire = await startWire(h);
  const { pipelines, jobs } = wire.as("admin");
  const { id } = DEFAULT_PIPELINE;
  expect(
    await outcomes([
      pipelines.deletePipeline({ id }),
      pipelines.updatePipeline({ id, config: plain, name: "mine" }),
      pipelines.updatePipeline({ id, config: plain, isActive: false }),
    ]),
  ).toEqual(Array.from({ length: 3 }, () => "PIPELINE_PROTECTED"));
  await pipelines.updatePipeline({ id, config: plain, name: "default", isActive: true });
  expect((await jobs.submit({ text: "t" })).pipelineVersion).toBe(2);
  const { pipeline } = await pipelines.getPipeline({ id, version: 1 });
  expect(pipeline?.config?.stages).toHaveLength(7);
});

test("every verb wants its own permission", async () => {
  await using h = await createHarness();
  await using wire = await startWire(h);
  const { id } = await made(wire.as("admin"), "mine");
  const verbs = ({ pipelines }: Sluice) => [
    pipelines.getPipeline({ id }),
    pipelines.listPipelineVersions({ id }),
    pipelines.validatePipeline({ config: plain }),
    pipelines.listStageTypes({}),
    pipelines.createPipeline({ name: "other", config: plain }),
    pipelines.updatePipeline({ id, config: plain }),
    pipelines.deletePipeline({ id }),
  ];
  const [read, no] = ["OK", "PERMISSION_DENIED"];
  const reader = [read, read, read, read, no, no, no];
  expect(await outcomes(verbs(wire.as("viewer")))).toEqual(reader);
  expect(await outcomes(verbs(wire.as("developer")))).toEqual(reader);
  expect(await outcomes(verbs(wire.as("auditor")))).toEqual(Array.from({ length: 7 }, () => no));
  expect(await outcomes([wire.as("operator").pipelines.deletePipeline({ id })])).toEqual(["OK"]);
});

test("create and update refuse with the faults that a dry run tells, and then store nothing", async () => {
  await using h = await createHarness();
  await using wire = await startWire(h);
  const { pipelines } = wire.as("admin");
  const { id } = await made(wire.as("admin"), "mine");
  const bad: Config = {
    stages: [
      { name: "Bad", type: { case: "detect", value: {} }, when: "1 +" },
      { type: { case: "extract", value: { maxPages: -1 } } },
      {},
      { type: { case: "chunk", value: { maxTokens: 32, overlap: 32 } }, timeout: { seconds: 0n, nanos: 5 } },
    ],
  };
  const { faults } = await pipelines.validatePipeline({ config: bad });
  const told = faults.map(({ field, description }) => ({ field, description }));
  expect(told.map(({ field }) => field)).toEqual([
    "config.stages[0].name",
    "config.stages[1].extract.max_pages",
    "config.stages[2].type",
    "config.stages[0].when",
    "config.stages[3].timeout",
    "config.stages[3].chunk.overlap",
  ]);
  for (const call of [
    () => pipelines.createPipeline({ name: "other", config: bad }),
    () => pipelines.updatePipeline({ id, config: bad }),
  ]) {
    await expect(call()).rejects.toMatchObject({ reason: "INVALID_REQUEST", fields: told });
  }
  expect(
    await outcomes([
      pipelines.createPipeline({ name: "other" }),
      pipelines.updatePipeline({ id }),
      pipelines.createPipeline({ name: "other", config: plain, description: "a\u0000b" }),
      pipelines.createPipeline({ name: "Not A Name", config: plain }),
    ]),
  ).toEqual(Array.from({ length: 4 }, () => "INVALID_REQUEST"));
  expect((await pipelines.validatePipeline({})).faults).toMatchObject([{ field: "config" }]);
  expect((await pipelines.listPipelines({})).pipelines.map(({ version }) => version)).toEqual([1, 1]);
});

test("no answer has a secret: of create, update, get, list, versions and the snapshot of a job", async () => {
  await using h = await createHarness();
  await using wire = await startWire(h);
  const { pipelines, jobs } = wire.as("admin");
  const secret: Config = {
    stages: [
      { type: { case: "detect", value: {} } },
      { type: { case: "extract", value: { password: "hunter2" } } },
      { type: { case: "http", value: { url: "https://example.org", secret: "hunter3" } } },
    ],
  };
  const request = { name: "mine", config: secret, requestId: "r" };
  const { pipeline } = await pipelines.createPipeline(request);
  const id = pipeline?.id ?? "";
  const job = await jobs.submit({ text: "t" }, { pipeline: "mine" });
  const answers = [
    pipeline,
    await pipelines.createPipeline(request),
    await pipelines.updatePipeline({ id, config: secret }),
    await pipelines.getPipeline({ id, version: 1 }),
    await pipelines.listPipelines({}),
    await pipelines.listPipelineVersions({ id }),
    await jobs.get(job.id),
  ];
  const text = JSON.stringify(answers, (_, value) => (typeof value === "bigint" ? String(value) : value));
  expect(text).toContain("https://example.org");
  expect(text).not.toContain("hunter");
  const rows = await h.db.sql`
    select (select jsonb_agg(to_jsonb(p)) from pipelines p)::text
      || (select jsonb_agg(to_jsonb(v)) from pipeline_versions v)::text
      || (select jsonb_agg(to_jsonb(a)) from audit_logs a)::text as everything`;
  expect(JSON.stringify(rows)).toContain("sealedSecret");
  expect(JSON.stringify(rows)).not.toContain("hunter");
});
