import { type JobStatus, JobStatusSchema } from "./types.ts";

/** `COMPLETED` for `JobStatus.COMPLETED`; a status that this version does not know is its number. */
export function jobStatusName(status: JobStatus): string {
  return JobStatusSchema.value[status]?.localName ?? String(status);
}

export type JobStatusName = keyof typeof JobStatus;
