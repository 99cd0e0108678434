import type { Json } from "../extract/model.ts";

/** How often and how late a failed stage is tried again. */
export interface RetryPolicy {
  /** Attempts of the whole job at the most, this stage failing; 0 = the job's own number. */
  maxAttempts: number;
  initialBackoffMs: number;
  maxBackoffMs: number;
  multiplier: number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  maxAttempts: 0,
  initialBackoffMs: 1_000,
  maxBackoffMs: 60_000,
  multiplier: 2,
};

/** One stage as a pipeline configures it; what is absent takes its default. */
export interface StageConfig {
  name: string;
  type: string;
  options: { [key: string]: Json };
  timeoutMs?: number;
  retry?: Partial<RetryPolicy>;
  onFailure?: "FAIL" | "SKIP";
}

export interface Pipeline {
  id: string;
  name: string;
  description: string;
  stages: StageConfig[];
  isActive: boolean;
  version: number;
  createdBy: string | null;
  createTime: Date;
  updateTime: Date;
}

/** What a job keeps of the pipeline it runs: an immutable version. */
export interface PipelineVersion {
  pipelineId: string;
  name: string;
  version: number;
  stages: StageConfig[];
}
