/**
 * One entry in the log of a job. `sequence` counts from 1 without gaps, per job. The payload is what the
 * domain wrote; this room does not look inside.
 */
export interface LoggedEvent {
  readonly jobId: string;
  readonly sequence: number;
  readonly time: Date;
  readonly type: string;
  readonly payload: unknown;
}

/** An event before it has a number. */
export interface NewEvent {
  readonly type: string;
  readonly payload: unknown;
}
