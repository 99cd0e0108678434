import { expect, test } from "vitest";
import { createHarness, until } from "../../support/harness.ts";
import { createJob } from "../jobs/steps.ts";
import { startTestWorker } from "./worker-harness.ts";

const MIB = 1024 * 1024;

test("a job that is done shows how much memory its document processes had", async () => {
  await using h = await createHarness();
  await using _w = await startTestWorker(h);
  const id = await createJob(h);
  const job = await until(async () => {
    const { job } = await h.jobs.get(h.admin, id);
    return job.status === "COMPLETED" && job;
  }, "the job is done");
  expect(job.peakMemoryBytes).toBeGreaterThan(20 * MIB);
  expect(job.peakMemoryBytes).toBeLessThan(1024 * MIB);
});
