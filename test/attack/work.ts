import { setTimeout as sleep } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Job, JobStatus, SluiceError } from "@sluice/sdk";
import type { CreateJobRequestSchema } from "../../gen/sluice/v1/jobs_pb.ts";
import type { Person } from "../support/contract/stand.ts";

const JOB_MS = 60_000;
const LOOK_MS = 100;

/** How a job ended: `COMPLETED`, the reason for which it failed or was refused, or that it did not end. */
export async function endOf(
  { client }: Person,
  request: MessageInitShape<typeof CreateJobRequestSchema>,
): Promise<string> {
  let job: Job | undefined;
  try {
    job = (await client.jobs.createJob({ maxAttempts: 1, ...request })).job;
  } catch (error) {
    if (error instanceof SluiceError) return error.reason;
    throw error;
  }
  const endsAt = performance.now() + JOB_MS;
  while (performance.now() < endsAt) {
    job = (await client.jobs.getJob({ id: job?.id ?? "" })).job;
    if (job?.endTime)
      return job.status === JobStatus.COMPLETED ? "COMPLETED" : (job.error?.reason ?? "FAILED");
    await sleep(LOOK_MS);
  }
  return `not ended after ${JOB_MS / 1000} s`;
}
