import { JobStatus } from "@sluice/sdk";
import { expect, test } from "vitest";
import { createSite, longText } from "../support/processes.ts";

test("a job on which three workers were killed is set aside, and shows the stage, the memory and the workers", async () => {
  await using site = await createSite({
    env: { SLUICE_LEASE_MS: "1000", SLUICE_WORKER_CONCURRENCY: "1" },
  });
  await site.serve("--no-worker");
  const client = site.client();
  const { id } = await client.jobs.submit({ text: longText(600_000) });
  let worker = await site.worker();
  const killed: number[] = [];
  for await (const { event } of client.jobs.watch(id)) {
    if (event.case !== "stageStarted" || event.value.name !== "enrich") continue;
    worker.kill("SIGKILL");
    killed.push(worker.pid);
    worker = await site.worker();
  }
  const { status, error } = await client.jobs.get(id);
  expect(status).toBe(JobStatus.FAILED);
  expect(error).toMatchObject({ reason: "QUARANTINED", stage: "enrich", retryable: false });
  expect(error?.evidence?.peakMemoryBytes).toBeGreaterThan(20n * 1024n * 1024n);
  expect(error?.evidence?.lostClaims.map(({ workerId }) => workerId)).toEqual(
    killed.map((pid) => expect.stringContaining(`-${pid}-`)),
  );
  expect(killed).toHaveLength(3);

  const { stdout } = await site.run("jobs", "get", id);
  const lost = stdout.split("\n").filter((line) => line.startsWith("Lost"));
  // The later ones began at the stage that killed them, and had no time to tell how much memory it took.
  expect(lost).toEqual(
    killed.map((pid) =>
      expect.stringMatching(new RegExp(`^Lost +\\S+-${pid}-\\S+, in enrich,.* last heard of at 2`)),
    ),
  );
  expect(lost[0]).toMatch(/, [\d.]+ MiB of memory, /);
  // The fourth worker lives, and does other work.
  const other = await client.jobs.wait((await client.jobs.submit({ text: "Harmless." })).id);
  expect(other.status).toBe(JobStatus.COMPLETED);
  expect(worker.code).toBeNull();
});
