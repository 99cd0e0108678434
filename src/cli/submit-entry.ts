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
  readonly concurrency: number;
}

/** One file of the command line with its fate. */
export interface Entry {
  readonly path: string;
  readonly track: Track;
  job?: Job;
}
