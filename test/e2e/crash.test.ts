import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { JobEvent } from "@sluice/sdk";
import { JobStatus } from "@sluice/sdk";
import postgres from "postgres";
import { expect, test } from "vitest";
import { createSite, longText, nothingRuns, type Program, type Site } from "../support/processes.ts";

interface JobRecord {
  readonly results: number;
  readonly completions: number;
  readonly sequences: readonly number[];
}

/** What the database itself says about a job. */
async function recordOf(site: Site, jobId: string): Promise<JobRecord> {
  const sql = postgres(site.databaseUrl(), { max: 1 });
  try {
    const results = await sql`select 1 from job_results where job_id = ${jobId}`;
    const events = await sql<{ sequence: number; payload: { status?: string } }[]>`
      select sequence::int, payload from job_events where job_id = ${jobId} order by sequence`;
    return {
      results: results.length,
      completions: events.filter(({ payload }) => payload.status === "COMPLETED").length,
      sequences: events.map(({ sequence }) => sequence),
    };
  } finally {
    await sql.end();
  }
}

/** The worker that runs a job, told by the process id in its name. */
function runnerOf(workers: readonly Program[], workerId: string): Program {
  const runner = workers.find(({ pid }) => workerId.split("-").includes(String(pid)));
  if (!runner) throw new Error(`none of the workers is ${workerId}`);
  return runner;
}

/**
 * Runs a job on one of two workers and kills that one with -9 when the stage begins.
 * @returns the events as a watcher saw them, and the seconds from the kill to the end
 */
async function killDuring(site: Site, stage: string, text: string) {
  await site.serve("--no-worker");
  const workers = [await site.worker(), await site.worker()];
  const client = site.client();
  const { id } = await client.jobs.submit({ text });
  const events: JobEvent[] = [];
  let killed = "";
  let killedAt = 0;
  for await (const item of client.jobs.watch(id)) {
    events.push(item);
    if (killed || item.event.case !== "stageStarted" || item.event.value.name !== stage) continue;
    killed = (await client.jobs.get(id)).workerId;
    runnerOf(workers, killed).kill("SIGKILL");
    killedAt = performance.now();
  }
  const seconds = (performance.now() - killedAt) / 1000;
  expect(killed, `the stage ${stage} began`).not.toBe("");
  return { id, client, events, killed, seconds };
}

async function expectOneCompletion(site: Site, id: string, events: readonly JobEvent[]): Promise<void> {
  const { results, completions, sequences } = await recordOf(site, id);
  expect({ results, completions }).toEqual({ results: 1, completions: 1 });
  expect(sequences).toEqual(sequences.map((_, index) => index + 1));
  expect(events.map(({ sequence }) => sequence)).toEqual(sequences);
}

test("kill -9 of a worker: the job goes on at the other one from its last checkpoint, and completes once", async () => {
  await using site = await createSite({
    env: { SLUICE_LEASE_MS: "3000", SLUICE_WORKER_CONCURRENCY: "1" },
  });
  const text = longText(2_500_000);
  const { id, client, events, killed } = await killDuring(site, "chunk", text);
  const job = await client.jobs.get(id);
  expect(job.status).toBe(JobStatus.COMPLETED);
  expect(job.workerId).not.toBe(killed);
  await expectOneCompletion(site, id, events);

  const resumed = job.stages.filter(({ fromCheckpoint }) => fromCheckpoint).map(({ name }) => name);
  expect(resumed).toEqual(["fetch", "detect", "extract", "normalize", "enrich"]);
  const began = events.flatMap(({ event }) => (event.case === "stageStarted" ? [event.value.name] : []));
  expect(began.filter((name) => name === "extract")).toHaveLength(1);
  expect(began.filter((name) => name === "chunk")).toHaveLength(2);
  expect((await client.jobs.download(id).text()).trim()).toBe(text.trim());
});

test("with the lease that servers have by default, the job is done within 45 s of the kill", async () => {
  await using site = await createSite({ env: { SLUICE_WORKER_CONCURRENCY: "1" } });
  const { id, client, events, seconds, killed } = await killDuring(site, "chunk", longText(600_000));
  const job = await client.jobs.get(id);
  expect(job.status).toBe(JobStatus.COMPLETED);
  expect(job.workerId).not.toBe(killed);
  await expectOneCompletion(site, id, events);
  process.stdout.write(`completed ${seconds.toFixed(1)} s after kill -9 of its worker\n`);
  expect(seconds).toBeLessThanOrEqual(45);
});

test("what a killed worker has started ends with it, and its files go when the next worker starts", async () => {
  await using site = await createSite({ env: { SLUICE_LEASE_MS: "1000" } });
  await site.serve("--no-worker");
  const worker = await site.worker();
  const client = site.client();
  const { id } = await client.jobs.submit({ text: longText(600_000) });
  for await (const { event } of client.jobs.watch(id)) {
    if (event.case === "stageStarted" && event.value.name === "enrich") break;
  }
  worker.kill("SIGKILL");
  await worker.exit();
  await nothingRuns(`tmp/${worker.pid}-`);
  const leftovers = () =>
    readdirSync(join(site.dataDir, "tmp")).filter((name) => name.startsWith(`${worker.pid}-`));
  expect(leftovers()).toHaveLength(1);
  await site.worker();
  expect(leftovers()).toEqual([]);
  expect((await client.jobs.wait(id)).status).toBe(JobStatus.COMPLETED);
});
