import { DocumentFault, LimitFault, type LimitName } from "../extract/errors.ts";
import type { JobError } from "../jobs/model.ts";
import { SluiceError } from "../lib/errors.ts";
import { StageFailure } from "../stages/stage.ts";

/** The attempt took longer than the job may. */
export class JobTimeout extends Error {
  override name = "JobTimeout";
  constructor(timeoutMs: number) {
    super(
      `The attempt took longer than the ${Math.round(timeoutMs / 1000)} seconds that the job may take. Give it a longer timeout.`,
    );
  }
}

/** The database went away while the attempt ran, or did not take what it made, for longer than a lease. */
export class DatabaseLost extends Error {
  override name = "DatabaseLost";
  constructor() {
    super("The database could not be reached for longer than the attempt may wait. The job is tried again.");
  }
}

/** The caller has ordered the job to stop. */
export class CancelOrdered extends Error {
  override name = "CancelOrdered";
  constructor() {
    super("The job was cancelled.");
  }
}

/** The worker stops and hands the job back. */
export class WorkerStopping extends Error {
  override name = "WorkerStopping";
  constructor() {
    super("The worker stops.");
  }
}

/** What the operator sets to move a limit. */
const SETTINGS: Readonly<Record<LimitName, string>> = {
  maxInputBytes: "SLUICE_MAX_DOCUMENT_BYTES",
  maxInflatedBytes: "SLUICE_MAX_INFLATED_BYTES",
  maxInflationRatio: "SLUICE_MAX_INFLATION_RATIO",
  maxDepth: "SLUICE_MAX_NESTING",
  maxMembers: "SLUICE_MAX_MEMBERS",
  maxOutputCharacters: "SLUICE_MAX_OUTPUT_CHARACTERS",
  maxImagePixels: "SLUICE_MAX_IMAGE_PIXELS",
};

/** What the operator sets to give a document process more, by the reason for which it was ended. */
const PROCESS_SETTINGS: ReadonlyMap<string, string> = new Map([
  ["PARSER_OUT_OF_MEMORY", "SLUICE_PARSER_MEMORY_BYTES"],
  ["PARSER_TIMEOUT", "SLUICE_PARSER_SILENCE_MS"],
]);

/** What a throw of a stage or of the run means for the job. Nothing of an unexpected throw is shown. */
export function jobErrorOf(error: unknown, stage: string | null): JobError {
  const at = stage ? { stage } : {};
  if (error instanceof LimitFault) {
    const limit = SETTINGS[error.limit];
    return {
      reason: error.reason,
      message: `${error.message} The limit is ${limit}.`,
      retryable: false,
      limit,
      ...at,
    };
  }
  if (error instanceof DocumentFault)
    return { reason: error.reason, message: error.message, retryable: false, ...at };
  if (error instanceof StageFailure) {
    const limit = PROCESS_SETTINGS.get(error.reason);
    const { reason, message, retryable } = error;
    return { reason, message, retryable, ...(limit === undefined ? {} : { limit }), ...at };
  }
  if (error instanceof JobTimeout)
    return { reason: "JOB_TIMEOUT", message: error.message, retryable: false, ...at };
  if (error instanceof DatabaseLost)
    return { reason: "DATABASE_UNAVAILABLE", message: error.message, retryable: true, ...at };
  if (error instanceof SluiceError) {
    return { reason: error.reason, message: error.message, retryable: error.kind === "unavailable", ...at };
  }
  return {
    reason: "INTERNAL",
    message: "The worker failed unexpectedly; its log has the cause. The job may be tried again.",
    retryable: true,
    ...at,
  };
}
