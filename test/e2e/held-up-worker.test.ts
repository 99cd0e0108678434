import { type JobEvent, JobStatus } from "@sluice/sdk";
import { expect, test } from "vitest";
import {
  createSite,
  documentProcessesOf,
  eventually,
  longText,
  type Program,
  type Site,
} from "../support/processes.ts";

const PRELOAD = new URL("../support/preload-block.ts", import.meta.url).href;

/** A worker that can be held up, and that does what `env` of the preloaded module says. */
async function startPrepared(site: Site, env: Record<string, string>): Promise<Program> {
  const program = site.start(["worker"], { NODE_OPTIONS: `--import=${PRELOAD}`, ...env });
  await program.says("Sluice worker runs");
  return program;
}

const idOf = (events: readonly JobEvent[]) =>
  events.flatMap(({ event }) =>
    event.case === "statusChanged" && event.value.lostClaim ? [event.value.lostClaim.workerId] : [],
  );

/** Runs a job on `worker`, calls `during` when the stage `enrich` begins, and answers what came of it. */
async function runJob(site: Site, text: string, during: () => void | Promise<void>) {
  const client = site.client();
  const { id } = await client.jobs.submit({ text });
  const events: JobEvent[] = [];
  for await (const item of client.jobs.watch(id)) {
    events.push(item);
    if (item.event.case === "stageStarted" && item.event.value.name === "enrich") await during();
  }
  return { job: await client.jobs.get(id), lost: idOf(events), events };
}

test("a worker whose main thread stands still for longer than a lease keeps its job", async () => {
  // The sweep has more than one round between the end of a lease that nobody renews and the end of the block.
  const env = { SLUICE_LEASE_MS: "8000", SLUICE_WORKER_CONCURRENCY: "1" };
  await using site = await createSite({ env });
  await site.serve("--no-worker");
  const worker = await startPrepared(site, { TEST_BLOCK_MS: "14000" });
  const { job, lost } = await runJob(site, longText(600_000), async () => {
    worker.kill("SIGUSR2");
    await site.worker();
  });
  expect(worker.stderr).toContain("the main thread goes on");
  expect({ lost, status: job.status, attempt: job.attempt }).toEqual({
    lost: [],
    status: JobStatus.COMPLETED,
    attempt: 1,
  });
  expect(job.workerId.split("-")).toContain(String(worker.pid));
});

test("a worker whose main thread stands still for good loses its job soon, says so when it wakes, and does no harm", async () => {
  const env = { SLUICE_LEASE_MS: "2000", SLUICE_WORKER_CONCURRENCY: "1" };
  await using site = await createSite({ env });
  await site.serve("--no-worker");
  const worker = await startPrepared(site, { TEST_BLOCK_MS: "24000" });
  let other: Program | null = null;
  let heldUpAt = 0;
  const { job, lost, events } = await runJob(site, longText(600_000), async () => {
    if (other) return;
    worker.kill("SIGUSR2");
    heldUpAt = performance.now();
    other = await site.worker();
  });
  expect(worker.stderr).not.toContain("the main thread goes on");
  expect(performance.now() - heldUpAt).toBeLessThan(24_000);
  expect(lost).toEqual([expect.stringContaining(`-${worker.pid}-`)]);
  expect(job.status).toBe(JobStatus.COMPLETED);
  expect(job.workerId).not.toBe(lost[0]);
  await eventually(() => worker.stderr.includes("its jobs were left to others"), "it says so", 60_000);
  await eventually(() => worker.stderr.includes('"outcome":"lost"'), "its attempt has ended");
  const after = await site.client().jobs.get(job.id);
  expect({ version: after.version, workerId: after.workerId }).toEqual({
    version: job.version,
    workerId: job.workerId,
  });
  expect(events.filter(({ event }) => event.case === "statusChanged")).toHaveLength(5);
  expect(worker.code).toBeNull();
});

test("a heartbeat that fails is replaced, and the job goes on", async () => {
  const env = { SLUICE_LEASE_MS: "5000", SLUICE_WORKER_CONCURRENCY: "1" };
  await using site = await createSite({ env });
  await site.serve("--no-worker");
  const worker = await startPrepared(site, { TEST_THREAD_MS: "2500" });
  const failures = () => worker.stderr.match(/the heartbeat has failed/g)?.length ?? 0;
  const { job, lost } = await runJob(site, longText(600_000), async () => {
    await site.worker();
    const documents = documentProcessesOf(worker.pid);
    for (const pid of documents) process.kill(pid, "SIGSTOP");
    const before = failures();
    // The last of them is replaced when the claim is older than a lease.
    await eventually(() => failures() >= before + 3, "heartbeats fail, one after the other", 60_000);
    for (const pid of documents) process.kill(pid, "SIGCONT");
  });
  expect({ lost, status: job.status, attempt: job.attempt }).toEqual({
    lost: [],
    status: JobStatus.COMPLETED,
    attempt: 1,
  });
});
