import type { Format, Job } from "@sluice/sdk";
import type { Track } from "./track.ts";

/** What `sluice submit` was told. */
export interface SubmitOptions {
  readonly pipeline?: string;
  readonly follow?: boolean;
  readonly wait?: boolean;
  readonly output: Format;
  readonly outDir?: string;
  readonly json?: boolean;
  readonly priority?: "high" | "normal" | "low";
  readonly label?: Record<string, string>;
  readonly password?: string;
  readonly passwordFile?: string;
  readonly concurrency: number;
  readonly concurrencyKey?: string;
  readonly concurrencyLimit?: number;
}

/** One file of the command line with its fate. */
export interface Entry {
  readonly path: string;
  readonly track: Track;
  /** It cannot be submitted; the user has been told. */
  readonly unusable?: boolean;
  job?: Job;
}

/** The command ends only when the jobs have ended. */
export const waits = ({ follow, wait, outDir }: SubmitOptions): boolean => Boolean(follow || wait || outDir);

/** Takes the end of a document, whatever it is, into its track. */
export function finish({ track }: Entry, state: "completed" | "failed" | "cancelled", note: string): void {
  track.state = state;
  track.note = note;
  track.endedAt = Date.now();
  if (state === "completed") track.percent = 100;
}
