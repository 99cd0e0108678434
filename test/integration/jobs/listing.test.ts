import { expect, test } from "vitest";
import type { JobFilter } from "../../../src/jobs/model.ts";
import { createHarness, type Harness, textRequest } from "../../support/harness.ts";
import { claimOne, completedJob, createJob, failureOf } from "./steps.ts";

async function find(h: Harness, filter: JobFilter): Promise<string[]> {
  const found = await h.jobs.list(h.admin, filter, { limit: 100, beforeId: null });
  const counted = await h.jobs.count(h.admin, filter);
  expect(counted.reduce((sum, { count }) => sum + count, 0)).toBe(found.length);
  return found.map(({ job }) => job.id).sort();
}

test("a walk through the pages sees every job once, newest first, while new ones arrive", async () => {
  await using h = await createHarness();
  const there: string[] = [];
  for (let i = 0; i < 23; i++) there.push(await createJob(h));
  const seen: string[] = [];
  let beforeId: string | null = null;
  do {
    const page = await h.jobs.list(h.admin, {}, { limit: 5, beforeId });
    seen.push(...page.map(({ job }) => job.id));
    beforeId = page.length === 5 ? (page.at(-1)?.job.id ?? null) : null;
    await createJob(h);
  } while (beforeId);
  expect(seen).toEqual([...there].reverse());
});

test("filters by status, label, pipeline and time each find what they name, and together what all of them name", async () => {
  await using h = await createHarness();
  const create = async (labels: Record<string, string>) =>
    (await h.jobs.create(h.admin, textRequest("x", { labels }))).job;
  const done = await completedJob(h);
  const a = await create({ team: "a", env: "prod" });
  const b = await create({ team: "b", env: "prod" });
  await h.jobs.cancel(h.admin, b.id, "");
  expect(await find(h, {})).toEqual([a.id, b.id, done].sort());
  expect(await find(h, { statuses: ["COMPLETED"] })).toEqual([done]);
  expect(await find(h, { statuses: ["COMPLETED", "CANCELLED"] })).toEqual([b.id, done].sort());
  expect(await find(h, { labels: { env: "prod" } })).toEqual([a.id, b.id].sort());
  expect(await find(h, { labels: { env: "prod", team: "a" } })).toEqual([a.id]);
  expect(await find(h, { labels: { env: "pro" } })).toEqual([]);
  expect(await find(h, { labels: { env: "prod" }, statuses: ["CANCELLED"] })).toEqual([b.id]);
  expect(await find(h, { pipelineId: a.pipelineId })).toHaveLength(3);
  expect(await find(h, { pipelineId: a.id })).toEqual([]);
  await h.db.sql`update jobs set created_at = '2024-02-29T12:00:00Z' where id = ${a.id}`;
  const day = { createdAfter: new Date("2024-02-29"), createdBefore: new Date("2024-03-01") };
  expect(await find(h, day)).toEqual([a.id]);
  expect(await find(h, { createdAfter: new Date("2024-02-29T12:00:00Z") })).toHaveLength(3);
  expect(await find(h, { createdBefore: new Date("2024-02-29T12:00:00Z") })).toEqual([]);
});

test("a text finds ids, file names, labels and errors in any case, with % and _ and \\ as themselves", async () => {
  await using h = await createHarness();
  const named = async (filename: string) =>
    (await h.jobs.create(h.admin, textRequest("", { source: { kind: "text", text: "x", filename } }))).job.id;
  const percent = await named("100%_Plan.txt");
  const plain = await named("100 plans.txt");
  const slash = await named("a\\b.txt");
  expect(await find(h, { text: "PLAN" })).toEqual([percent, plain].sort());
  expect(await find(h, { text: "0%" })).toEqual([percent]);
  expect(await find(h, { text: "_plan" })).toEqual([percent]);
  expect(await find(h, { text: "\\" })).toEqual([slash]);
  expect(await find(h, { text: "%" })).toEqual([percent]);
  expect(await find(h, { text: plain.slice(9) })).toEqual([plain]);
  expect(await find(h, { text: "' or 1=1 --" })).toEqual([]);
  expect(await find(h, { text: "nul\0" })).toEqual([]);
  expect(await find(h, { labels: { "nul\0": "\ud800" } })).toEqual([]);
});

test("a text finds the error of a failed job and the value of a label", async () => {
  await using h = await createHarness();
  const { job } = await h.jobs.create(h.admin, textRequest("x", { labels: { customer: "Müller & Söhne" } }));
  await createJob(h);
  await h.leases.fail(await claimOne(h), {
    error: { ...failureOf(false), message: "Torn page 7" },
    retryInMs: null,
  });
  expect(await find(h, { text: "torn PAGE" })).toEqual([job.id]);
  expect(await find(h, { text: "müller" })).toEqual([job.id]);
});

test("a waiting job says what it waits for", async () => {
  await using h = await createHarness();
  const first = await createJob(h);
  const second = await createJob(h);
  const urgent = (await h.jobs.create(h.admin, textRequest("x", { priority: "HIGH" }))).job.id;
  const later = (await h.jobs.create(h.admin, textRequest("x", { runTime: new Date(Date.now() + 60_000) })))
    .job.id;
  const waiting = async (id: string) => (await h.jobs.get(h.admin, id)).waiting;
  expect(await waiting(second)).toMatchObject({ reason: "NO_WORKER", position: 3 });
  expect(await waiting(later)).toMatchObject({ reason: "SCHEDULED", position: 0 });
  const worker = { id: "w", host: "h", version: "v", pid: 1, concurrency: 2, running: 0, draining: false };
  await h.heartbeats.renew(worker, []);
  expect(await waiting(urgent)).toMatchObject({ reason: "BEHIND_OTHERS", position: 1 });
  expect(await waiting(first)).toMatchObject({ reason: "BEHIND_OTHERS", position: 2 });
  await claimOne(h);
  expect(await waiting(urgent)).toBeNull();
});
