import { DISABLED_EVENT, TEST_EVENT } from "./model.ts";

/** A type of event: what it tells, and a whole body of it. */
export interface EventType {
  readonly name: string;
  readonly description: string;
  /** As it is posted. */
  readonly example: EventBody;
}

/** A body, as `sluice.v1.WebhookEvent` in JSON. */
export interface EventBody {
  readonly type: string;
  readonly version: "v1";
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly job?: {
    readonly id: string;
    readonly sequence: number;
    readonly status: string;
    readonly attempt: number;
    readonly pipelineName: string;
    readonly pipelineVersion: number;
    readonly errorReason?: string;
    readonly errorStage?: string;
  };
  readonly webhook?: { readonly id: string; readonly reason?: string };
}

const JOB = "0199d2a4-7c1e-7b3a-9f52-6d1c0e8a4b17";
const WEBHOOK = "0199d2a0-11aa-7c55-8e0d-2f9b7a6c3d21";
const TIME = "2026-01-15T09:30:00.000Z";

function jobEvent(
  name: string,
  description: string,
  sequence: number,
  attempt: number,
  error = {},
): EventType {
  const status = name === "job.started" ? "PROCESSING" : name.slice("job.".length).toUpperCase();
  return {
    name,
    description,
    example: {
      type: name,
      version: "v1",
      time: TIME,
      job: {
        id: JOB,
        sequence,
        status: `JOB_STATUS_${status}`,
        attempt,
        pipelineName: "default",
        pipelineVersion: 1,
        ...error,
      },
    },
  };
}

/** Every type of event there is, by name. */
export const EVENT_TYPES: readonly EventType[] = [
  jobEvent("job.cancelled", "A job was cancelled, and runs no more.", 4, 1),
  jobEvent("job.completed", "A job completed: its result can be read.", 12, 1),
  jobEvent("job.created", "A job was created, and waits for its turn.", 1, 0),
  jobEvent("job.failed", "A job failed for good, after whatever retries it had.", 9, 3, {
    errorReason: "DOCUMENT_CORRUPT",
    errorStage: "extract",
  }),
  jobEvent("job.started", "An attempt at a job began; a job that is retried starts more than once.", 2, 1),
  {
    name: DISABLED_EVENT,
    description:
      "The service disabled another webhook of yours, since its endpoint is gone or only failed for five days.",
    example: eventOf(DISABLED_EVENT, TIME, {
      id: WEBHOOK,
      reason: "Every attempt of the last five days failed.",
    }),
  },
  {
    name: TEST_EVENT,
    description: "Somebody asked for a test with SendTestEvent.",
    example: eventOf(TEST_EVENT, TIME, { id: WEBHOOK }),
  },
];

function eventOf(type: string, time: string, webhook: NonNullable<EventBody["webhook"]>): EventBody {
  return { type, version: "v1", time, webhook };
}

/** The body of a test. */
export function testPayload(webhookId: string, time: Date): string {
  return JSON.stringify(eventOf(TEST_EVENT, time.toISOString(), { id: webhookId }));
}

/** The body that tells of a webhook which the service disabled. */
export function disabledPayload(webhookId: string, reason: string, time: Date): string {
  return JSON.stringify(eventOf(DISABLED_EVENT, time.toISOString(), { id: webhookId, reason }));
}

/** Whether a pattern (`*`, `job.*`, `job.completed`) names any type there is. */
export function namesAny(pattern: string): boolean {
  return EVENT_TYPES.some(({ name }) => matches(pattern, name));
}

function matches(pattern: string, name: string): boolean {
  return (
    pattern === "*" || pattern === name || (pattern.endsWith(".*") && name.startsWith(pattern.slice(0, -1)))
  );
}
