import type { NewEvent } from "../events/model.ts";
import type { JobError, JobStatus, LostClaim } from "./model.ts";

/** What may happen to a job, as its log keeps it. */
export type JobEventBody =
  | {
      type: "status_changed";
      status: JobStatus;
      previousStatus: JobStatus | null;
      attempt: number;
      error?: JobError | null;
      /** ISO 8601; when the next attempt comes. */
      runTime?: string;
      /** When a worker stopped answering. */
      lostClaim?: LostClaim;
    }
  | {
      type: "stage_started";
      name: string;
      stageType: string;
      index: number;
      stagesTotal: number;
      attempt: number;
    }
  | { type: "stage_progress"; name: string; percent: number; jobPercent: number; message?: string }
  | {
      type: "stage_finished";
      name: string;
      stageType: string;
      index: number;
      status: "SUCCEEDED" | "FAILED" | "SKIPPED";
      durationMs: number;
      fromCheckpoint: boolean;
      error?: JobError;
    }
  | { type: "log"; level: "info" | "warn"; message: string; stage?: string };

/** The event as the log takes it. */
export function newEvent({ type, ...payload }: JobEventBody): NewEvent {
  return { type, payload };
}
