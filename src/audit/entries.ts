import type { RecordedEntry } from "./chain.ts";

/** What entries are asked for; null and empty = any. */
export interface LogFilter {
  /** At this instant or later. */
  readonly start: Date | null;
  /** Before this instant. */
  readonly end: Date | null;
  readonly userId: string;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId: string;
  readonly success: boolean | null;
  readonly ipAddress: string;
}

/** An entry with its place in the chain; null where it has none yet. */
export interface LoggedEntry extends RecordedEntry {
  readonly sequence: number | null;
  readonly hash: Buffer | null;
}

/** Where a look at entries by their time goes on. */
export interface EntryKey {
  readonly timestamp: Date;
  readonly id: string;
}
