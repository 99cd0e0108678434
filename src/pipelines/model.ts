import type { Json } from "../extract/model.ts";

/** How a failed run of a stage is followed by another one, within one attempt of the job. */
export interface RetryPolicy {
  /** Runs in all. */
  maxAttempts: number;
  initialBackoffMs: number;
  maxBackoffMs: number;
  multiplier: number;
}

/** What a policy that says nothing means; a stage without a policy runs once. */
export const DEFAULT_RETRY: RetryPolicy = {
  maxAttempts: 1,
  initialBackoffMs: 1_000,
  maxBackoffMs: 60_000,
  multiplier: 2,
};

/** One stage as a pipeline configures it; what is absent takes its default. */
export interface StageConfig {
  name: string;
  /** Its name in the contract's `oneof`: `extract`, or `custom` for one of the operator's own. */
  type: string;
  /** In the JSON form of the contract, without secrets. */
  options: { [key: string]: Json };
  /** CEL; absent = always. */
  when?: string;
  timeoutMs?: number;
  retry?: Partial<RetryPolicy>;
  onFailure?: "FAIL" | "SKIP";
  /** Encrypted, in base64: the password of an extract stage, the secret of an http stage. */
  sealedSecret?: string;
}

/** A stage as a caller writes it, with its secret, if it brings one. */
export interface StageDraft extends Omit<StageConfig, "sealedSecret"> {
  secret?: string;
}

/** The types that have a secret, and the option that holds it in the contract. */
export const SECRET_OPTION: Readonly<Record<string, string>> = { extract: "password", http: "secret" };

/** The pipeline that jobs run which name none. */
export const DEFAULT_PIPELINE = { id: "00000000-0000-7000-8000-000000000001", name: "default" } as const;

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
