import { readdirSync } from "node:fs";
import { join } from "node:path";
import { JobStatus } from "@sluice/sdk";
import postgres from "postgres";
import { expect, test } from "vitest";
import { createSite, eventually } from "../support/processes.ts";

const NAMED = { SLUICE_WORKER_ID: "worker-0" };

/** What is meant for people: everything but the log. */
const saidIn = (stderr: string): string[] =>
  stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"));

test("a second worker with the same id does not start, says why in one sentence, and the first works on", async () => {
  await using site = await createSite();
  await site.serve("--no-worker");
  const first = site.start(["worker"], NAMED);
  await first.says("Sluice worker runs");
  const second = site.start(["worker"], NAMED);
  expect(await second.exit()).toBe(1);
  expect(saidIn(second.stderr)).toEqual([
    expect.stringMatching(
      new RegExp(
        `^The worker id worker-0 is taken by process ${first.pid} on \\S+, which was alive \\d+ s ago: give this worker another id in SLUICE_WORKER_ID, or end that process and wait 30 s\\.$`,
      ),
    ),
  ]);
  expect(readdirSync(join(site.dataDir, "tmp"))).toEqual([expect.stringMatching(`^${first.pid}-`)]);
  const client = site.client();
  const job = await client.jobs.wait((await client.jobs.submit({ text: "Still at work." })).id);
  expect({ status: job.status, workerId: job.workerId }).toEqual({
    status: JobStatus.COMPLETED,
    workerId: "worker-0",
  });
  // Signed off in good order, the id is free at once.
  first.kill("SIGTERM");
  expect(await first.exit()).toBe(0);
  const third = site.start(["worker"], NAMED);
  await third.says("Sluice worker runs");
});

test("a worker that was frozen until another took its id says so when it wakes, and ends without harm", async () => {
  await using site = await createSite();
  await site.serve("--no-worker");
  const frozen = site.start(["worker"], NAMED);
  await frozen.says("Sluice worker runs");
  frozen.kill("SIGSTOP");
  const sql = postgres(site.databaseUrl(), { max: 1 });
  await sql`update workers set heartbeat_at = now() - interval '31 seconds'`;
  await sql.end();
  const heir = site.start(["worker"], NAMED);
  await heir.says("Sluice worker runs");

  frozen.kill("SIGCONT");
  expect(await frozen.exit()).toBe(1);
  expect(frozen.stderr).toContain("another process has taken the id of this worker");
  expect(saidIn(frozen.stderr)).toEqual([
    "sluice: Another process works under the worker id worker-0, so this one has ended. Give each worker an id of its own in SLUICE_WORKER_ID.",
  ]);
  const client = site.client();
  await eventually(async () => {
    const { workers } = await client.system.listWorkers({});
    return workers.length === 1 && workers[0]?.isAlive === true && !workers[0].isDraining;
  }, "the heir alone is there");
  const job = await client.jobs.wait((await client.jobs.submit({ text: "By the heir." })).id);
  expect(job.status).toBe(JobStatus.COMPLETED);
  expect(heir.code).toBeNull();
});
